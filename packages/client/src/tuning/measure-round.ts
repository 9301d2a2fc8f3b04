/**
 * How fast a model that is ready answers: rounds of requests of a fixed length, as many at a time as are said, timed until the last
 * is answered, with what its server says of each.
 *
 * 1. Each is an ordinary question, with the slots and the waiting that any has.
 * 2. No two have a beginning in common, and none is answered before its last token: what is measured is all computed.
 */
import type { RoundSpeeds } from '@gryphgen/protocol';
import { z } from 'zod';
import { wholeAnswer } from '../inference/whole-answer.ts';
import type { AskOptions, Inference } from '../inference.ts';

export interface RoundShape {
  /** Requests at a time. */
  readonly load: number;
  readonly promptTokens: number;
  readonly outputTokens: number;
}

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
type Timings = z.infer<typeof answerSchema>['timings'];

/** The prompt of all rounds, as the model itself divides it. Throws GridError where it cannot be asked. */
export async function promptOf(
  inference: Inference,
  model: string,
  { promptTokens }: RoundShape,
  options: AskOptions,
): Promise<readonly number[]> {
  const content = sentence.repeat(Math.ceil((promptTokens * mostTokenBytes) / sentence.length));
  const request = encoded({ content, add_special: false });
  const asked = inference.ask({ kind: 'infer', model, path: '/tokenize', request }, options);
  const { value } = await wholeAnswer(asked, model, 'infer', tokensSchema);
  return value.tokens.slice(0, promptTokens);
}

/** `first`: number of the round's first request, so that each is another. Throws GridError where one is not answered. */
export async function measureRound(
  inference: Inference,
  model: string,
  prompt: readonly number[],
  { load, outputTokens }: RoundShape,
  first: number,
  options: AskOptions,
): Promise<RoundSpeeds> {
  const begun = performance.now();
  const answers = await Promise.all(
    Array.from({ length: load }, (_, at) => {
      const request = encoded({
        prompt: turned(prompt, first + at),
        ...{ max_tokens: outputTokens, ignore_eos: true, temperature: 0, seed: 1, cache_prompt: false },
      });
      const asked = inference.ask({ kind: 'infer', model, path: '/v1/completions', request }, options);
      return wholeAnswer(asked, model, 'infer', answerSchema);
    }),
  );
  const roundMs = performance.now() - begun;
  const timings = answers.map(({ value }) => value.timings);
  return {
    roundMs,
    promptTokensPerS: perS(timings, 'prompt_n', 'prompt_ms'),
    outputTokensPerS: perS(timings, 'predicted_n', 'predicted_ms'),
  };
}

/** Begun at another of its tokens. */
function turned(prompt: readonly number[], by: number): readonly number[] {
  const at = by % Math.max(1, prompt.length);
  return [...prompt.slice(at), ...prompt.slice(0, at)];
}

/** Of one request among the others of its round, on average. */
function perS(timings: readonly Timings[], tokens: keyof Timings, ms: keyof Timings): number {
  const all = timings.reduce((sum, timing) => sum + timing[tokens], 0);
  const tookMs = timings.reduce((sum, timing) => sum + timing[ms], 0);
  return tookMs > 0 ? (1000 * all) / tookMs : 0;
}

function encoded(request: object): Uint8Array {
  return new TextEncoder().encode(JSON.stringify(request));
}
