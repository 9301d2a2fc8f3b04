/** Tries are bounded, and the waits between them are as long as they should be (E16). */
import type { BrokerState, Task } from '@gryphgen/broker';
import { familyOf, formatTaskId, isOrdered, limits } from '@gryphgen/protocol';
import { SimFailure } from './sim-failure.ts';

const ceilingMs = 600_000;
/** Of the broker's clock against the world's, with room. */
const maxDrift = 1.01;

export function checkTries({ id, failures, losses, spec }: Task): void {
  const { retries, restart } = spec.envelope;
  if ((restart !== undefined || failures <= retries.limit) && losses <= limits.losses) return;
  const words = `${formatTaskId(id)} has failed ${failures} times (limit ${retries.limit}) and was lost ${losses} times`;
  throw new SimFailure('tries are bounded', words);
}

/** Tries that ended in execution.*, and in lost.* that nobody ordered. */
export type Tries = Pick<Task, 'failures' | 'losses'>;

/**
 * Of a task that has just been given back to the queue; `before`: what was counted until then; `ranMs`: how long its
 * attempt may have run.
 */
export function checkRequeued(state: BrokerState, task: Task, counted: Tries, ranMs: number): void {
  const { id, failures, losses, lastFailure, notBefore, spec } = task;
  const executed = lastFailure !== null && familyOf(lastFailure.code) === 'execution';
  const lost = !executed && !(lastFailure !== null && isOrdered(lastFailure.code));
  const { restart, retries } = spec.envelope;
  // Those of a service begin afresh when it ran well; of any other each counts for ever.
  // How long one ran that was lost, the broker cannot know so well.
  const mayForget = restart !== undefined && (!executed || ranMs * maxDrift >= limits.serviceWellMs);
  const forgot = mayForget && failures + losses === (executed || lost ? 1 : 0);
  const before = forgot ? { failures: 0, losses: 0 } : counted;
  if (failures !== before.failures + (executed ? 1 : 0) || losses !== before.losses + (lost ? 1 : 0)) {
    const words = `${before.failures} failures and ${before.losses} losses, then ${failures} and ${losses}`;
    throw new SimFailure('every try counts', `${formatTaskId(id)} after ${lastFailure?.code}: ${words}`);
  }
  const leastMs = restart === undefined ? 0 : 1000;
  const expectedMs = executed
    ? Math.min(ceilingMs, Math.max(leastMs, retries.backoffMs) * 2 ** (failures - 1))
    : 0;
  const waitMs = notBefore === 0 ? 0 : notBefore - state.watch;
  if (Math.abs(waitMs - expectedMs) < 1e-3) return;
  const words = `${formatTaskId(id)} waits ${waitMs} ms before its next try, ${expectedMs} would be right`;
  throw new SimFailure('a backoff is as long as it should be', words);
}
