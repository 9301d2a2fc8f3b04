/** What a task that asked a model ended with. */
import { type InferResult, inferResultSchema, readOutcome } from '@gryphgen/protocol';
import type { Outcome } from '../pending.ts';
import { jsonOf } from './json-of.ts';

/** Undefined of a task that did not succeed, or whose worker made it up. */
export function inferResultOf({ result }: Pick<Outcome, 'result'>): InferResult | undefined {
  const json = readOutcome(result)?.result;
  if (json === undefined) return undefined;
  return inferResultSchema.safeParse(jsonOf(new TextDecoder().decode(json))).data;
}
