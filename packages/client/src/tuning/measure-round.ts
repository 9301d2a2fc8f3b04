/**
 * How fast a model that is ready answers: rounds of requests of a fixed length, as many at a time as are said, timed until the last
 * is answered. Each is an ordinary question, with the slots and the waiting that any has.
 */
import type { RoundSpeeds } from '@gryphgen/protocol';
import type { AskOptions, Inference } from '../inference.ts';
import { readingQuestions } from './reading-questions.ts';
import type { Computed, RoundQuestions, RoundShape } from './round-shape.ts';
import { writingQuestions } from './writing-questions.ts';

/** Those of all rounds, as long as the model itself counts them. Throws GridError where it cannot be asked. */
export async function roundQuestions(
  inference: Inference,
  model: string,
  shape: RoundShape,
  options: AskOptions,
): Promise<RoundQuestions> {
  return shape.use === 'infer'
    ? await writingQuestions(inference, model, shape, options)
    : await readingQuestions(inference, model, shape, options);
}

/** `first`: number of the round's first request, so that each is another. Throws GridError where one is not answered. */
export async function measureRound(
  ask: RoundQuestions,
  { load }: Pick<RoundShape, 'load'>,
  first: number,
): Promise<RoundSpeeds> {
  const begun = performance.now();
  const endedMs: number[] = [];
  const answers = await Promise.all(
    Array.from({ length: load }, async (_, at) => {
      const computed = await ask(first + at);
      endedMs.push(performance.now() - begun);
      return computed;
    }),
  );
  const roundMs = performance.now() - begun;
  return {
    roundMs,
    // They ended in this order.
    requestMs: endedMs[(load - 1) >> 1] ?? roundMs,
    promptTokensPerS: perS(answers, 'promptTokens', 'promptMs', roundMs),
    outputTokensPerS: perS(answers, 'outputTokens', 'outputMs', roundMs),
  };
}

/** Of one request among the others of its round, on average; where the server tells no times, of the round. */
function perS(
  answers: readonly Computed[],
  tokens: 'promptTokens' | 'outputTokens',
  ms: 'promptMs' | 'outputMs',
  roundMs: number,
): number {
  const all = answers.reduce((sum, answer) => sum + answer[tokens], 0);
  const told = answers.reduce((sum, answer) => sum + (answer[ms] ?? 0), 0);
  const tookMs = answers.some((answer) => answer[ms] !== undefined) ? told : roundMs;
  return tookMs > 0 ? (1000 * all) / tookMs : 0;
}
