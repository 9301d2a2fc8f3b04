/** How many tokens texts have for a model, by its own count: one question for all of them. */
import { z } from 'zod';
import { wholeAnswer } from '../inference/whole-answer.ts';
import type { AskOptions, Inference } from '../inference.ts';

/** Stands between two texts; no model has a token of this number, and a server gives it back as it is. */
const between = -1;
/** A token of prose has about four, of source code three, of Chinese three, of data in hexadecimal two. */
const leastTokenBytes = 2;

export interface TokenCount {
  /** Of each text. */
  readonly tokens: readonly number[];
  readonly counted: 'by the model' | 'estimated';
  readonly task: string;
}

const answerSchema = z.object({ tokens: z.array(z.number().int()) });

/** Throws GridError where the model cannot be asked. A server that counts texts one at a time only has them estimated. */
export async function countTokens(
  inference: Inference,
  model: string,
  texts: readonly string[],
  options: AskOptions,
): Promise<TokenCount> {
  const content = texts.flatMap((text, index) => (index === 0 ? [text] : [between, text]));
  const request = new TextEncoder().encode(JSON.stringify({ content, add_special: false }));
  const answer = inference.ask({ kind: 'infer', model, path: '/tokenize', request }, options);
  const { value, task } = await wholeAnswer(answer, model, 'infer', answerSchema);
  const tokens = [0];
  for (const token of value.tokens)
    if (token === between) tokens.push(0);
    else tokens.push((tokens.pop() ?? 0) + 1);
  if (tokens.length === texts.length) return { tokens, counted: 'by the model', task };
  return { tokens: texts.map(estimated), counted: 'estimated', task };
}

function estimated(text: string): number {
  return Math.ceil(Buffer.byteLength(text) / leastTokenBytes);
}
