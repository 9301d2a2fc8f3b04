/**
 * Requests of a fixed length to a model that writes: no two have a beginning in common, and none is answered before its last token,
 * so that what is measured is all computed.
 */
import { z } from 'zod';
import { wholeAnswer } from '../inference/whole-answer.ts';
import type { AskOptions, Inference } from '../inference.ts';
import type { RoundQuestions, WritingShape } from './round-shape.ts';

/** English that no model has any trouble with; said so often that it is long enough. */
const sentence =
  'The surveyor walked the northern boundary at noon, counting stones, and wrote in a small book what each had cost. ';
/** A token of it has about five; of the smallest vocabularies one. */
const mostTokenBytes = 8;
const tokensSchema = z.object({ tokens: z.array(z.number().int().min(0)) });

const answerSchema = z.object({
  timings: z.object({
    prompt_n: z.number().min(0),
    prompt_ms: z.number().min(0),
    predicted_n: z.number().min(0),
    predicted_ms: z.number().min(0),
  }),
});

/** The prompt is one text, as the model itself divides it. Throws GridError where it cannot be asked. */
export async function writingQuestions(
  inference: Inference,
  model: string,
  { promptTokens, outputTokens }: WritingShape,
  options: AskOptions,
): Promise<RoundQuestions> {
  const prompt = await promptOf(inference, model, promptTokens, options);
  return async (number) => {
    const request = encoded({
      prompt: turned(prompt, number),
      ...{ max_tokens: outputTokens, ignore_eos: true, temperature: 0, seed: 1, cache_prompt: false },
    });
    const asked = inference.ask({ kind: 'infer', model, path: '/v1/completions', request }, options);
    const { timings } = (await wholeAnswer(asked, model, 'infer', answerSchema)).value;
    return {
      ...{ promptTokens: timings.prompt_n, promptMs: timings.prompt_ms },
      ...{ outputTokens: timings.predicted_n, outputMs: timings.predicted_ms },
    };
  };
}

async function promptOf(
  inference: Inference,
  model: string,
  promptTokens: number,
  options: AskOptions,
): Promise<readonly number[]> {
  const content = sentence.repeat(Math.ceil((promptTokens * mostTokenBytes) / sentence.length));
  const request = encoded({ content, add_special: false });
  const asked = inference.ask({ kind: 'infer', model, path: '/tokenize', request }, options);
  const { value } = await wholeAnswer(asked, model, 'infer', tokensSchema);
  return value.tokens.slice(0, promptTokens);
}

/** Begun at another of its parts. */
export function turned<T>(parts: readonly T[], by: number): readonly T[] {
  const at = by % Math.max(1, parts.length);
  return [...parts.slice(at), ...parts.slice(0, at)];
}

function encoded(request: object): Uint8Array {
  return new TextEncoder().encode(JSON.stringify(request));
}
