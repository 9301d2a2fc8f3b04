/**
 * Requests of a fixed length to a model that embeds or ranks: so many texts each, or documents beside a query.
 *
 * 1. A server of these kinds divides no text into tokens for who asks, but says how many it computed: by that the texts are
 *    made as long as they are to be, or a little shorter, never longer.
 * 2. What is measured is all computed: such a model keeps nothing of texts that it was asked before.
 */
import { z } from 'zod';
import { wholeAnswer } from '../inference/whole-answer.ts';
import type { AskOptions, Inference } from '../inference.ts';
import type { ReadingShape, RoundQuestions } from './round-shape.ts';
import { turned } from './writing-questions.ts';

/** One token each to most models. */
const words = 'stones walked boundary counting small book noon cost'.split(' ');
const query = 'what was the cost of each';

const answerSchema = z.object({ usage: z.object({ prompt_tokens: z.number().int().min(1) }) });

/** Throws GridError where it cannot be asked. */
export async function readingQuestions(
  inference: Inference,
  model: string,
  { use, texts, promptTokens }: ReadingShape,
  options: AskOptions,
): Promise<RoundQuestions> {
  const tokensIn = async (all: readonly string[]): Promise<number> => {
    const body = use === 'embed' ? { input: all, encoding_format: 'base64' } : { query, documents: all };
    const request = new TextEncoder().encode(JSON.stringify(body));
    const path = use === 'embed' ? '/v1/embeddings' : '/v1/rerank';
    const asked = inference.ask({ kind: use, model, path, request }, options);
    return (await wholeAnswer(asked, model, use, answerSchema)).value.usage.prompt_tokens;
  };
  const text = await textOf(promptTokens, (one) => tokensIn([one.join(' ')]));
  return async (number) => {
    const all = Array.from({ length: texts }, (_, at) => turned(text, number * texts + at).join(' '));
    return { promptTokens: await tokensIn(all), outputTokens: 0 };
  };
}

/** The words of a text with as many tokens, or as few less as can be told: all turns of it have the same. */
export async function textOf(
  promptTokens: number,
  tokensIn: (text: readonly string[]) => Promise<number>,
): Promise<readonly string[]> {
  const one = await tokensIn(words);
  const each = Math.max(1, (await tokensIn([...words, ...words])) - one);
  // Beside the words there is what begins and ends a text, and a query.
  const room = (promptTokens - (one - each)) / each;
  const count = room < 1 ? Math.max(1, Math.floor(room * words.length)) : Math.floor(room) * words.length;
  return Array.from({ length: count }, (_, at) => words[at % words.length] ?? '');
}
