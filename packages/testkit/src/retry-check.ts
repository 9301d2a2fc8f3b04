/** Tries are bounded, and the waits between them are as long as they should be (E16). */
import type { BrokerState, Task } from '@gryphgen/broker';
import { familyOf, formatTaskId, limits } from '@gryphgen/protocol';
import { SimFailure } from './sim-failure.ts';

const ceilingMs = 600_000;

export function checkTries({ id, failures, losses, spec }: Task): void {
  const { retries } = spec.envelope;
  if (failures <= retries.limit && losses <= limits.losses) return;
  const words = `${formatTaskId(id)} has failed ${failures} times (limit ${retries.limit}) and was lost ${losses} times`;
  throw new SimFailure('tries are bounded', words);
}

/** Tries that ended in execution.*, and in lost.*. */
export type Tries = Pick<Task, 'failures' | 'losses'>;

/** Of a task that has just been given back to the queue; `before`: what was counted until then. */
export function checkRequeued(state: BrokerState, task: Task, before: Tries): void {
  const { id, failures, losses, lastFailure, notBefore, spec } = task;
  const executed = lastFailure !== null && familyOf(lastFailure.code) === 'execution';
  if (failures !== before.failures + (executed ? 1 : 0) || losses !== before.losses + (executed ? 0 : 1)) {
    const counted = `${before.failures} failures and ${before.losses} losses, then ${failures} and ${losses}`;
    throw new SimFailure('every try counts', `${formatTaskId(id)} after ${lastFailure?.code}: ${counted}`);
  }
  const expectedMs = executed
    ? Math.min(ceilingMs, spec.envelope.retries.backoffMs * 2 ** (failures - 1))
    : 0;
  const waitMs = notBefore === 0 ? 0 : notBefore - state.watch;
  if (Math.abs(waitMs - expectedMs) < 1e-3) return;
  const words = `${formatTaskId(id)} waits ${waitMs} ms before its next try, ${expectedMs} would be right`;
  throw new SimFailure('a backoff is as long as it should be', words);
}
