/** What a task that asked a model ended with. */
import { type InferResult, inferResultSchema, readOutcome } from '@gryphgen/protocol';
import type { Outcome } from '../pending.ts';

/** Undefined of a task that did not succeed, or whose worker made it up. */
export function inferResultOf({ result }: Pick<Outcome, 'result'>): InferResult | undefined {
  const json = readOutcome(result)?.result;
  if (json === undefined) return undefined;
  try {
    return inferResultSchema.safeParse(JSON.parse(new TextDecoder().decode(json))).data;
  } catch {
    return undefined;
  }
}
