/** Where the time of a question went, as its worker told with its end. */
import { type AnswerTimes, asksModel, readInferResult } from '@gryphgen/protocol';
import type { Task } from '../state.ts';

/** Undefined of what asks no model, or was not answered. */
export function answerTimes({ outcome, spec, submittedAt }: Task): AnswerTimes | undefined {
  if (outcome === null || outcome.outcome.length === 0 || !asksModel(spec.envelope.kind)) return undefined;
  const result = readInferResult(outcome.outcome);
  if (result === undefined) return undefined;
  const { firstMs, restMs, promptMs, outputMs, tokens, questions } = result;
  return {
    queueMs: Math.max(0, outcome.leasedAt - submittedAt),
    ...{ firstMs, restMs },
    ...(promptMs !== undefined && { promptMs }),
    ...(outputMs !== undefined && { outputMs }),
    ...(tokens && { tokens }),
    ...(questions !== undefined && { questions }),
  };
}
