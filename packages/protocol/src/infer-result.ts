/** What a task that asked a model ended with. */
import { readOutcome } from './attempt-outcome.ts';
import { type InferResult, inferResultSchema } from './model.ts';

/** Of an attempt's outcome. Undefined of one that did not succeed, or whose worker made it up. */
export function readInferResult(outcome: Uint8Array): InferResult | undefined {
  const json = readOutcome(outcome)?.result;
  if (json === undefined) return undefined;
  try {
    return inferResultSchema.safeParse(JSON.parse(new TextDecoder().decode(json))).data;
  } catch {
    return undefined;
  }
}
