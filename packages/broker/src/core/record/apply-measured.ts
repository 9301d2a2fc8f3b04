/** What is reserved for an attempt is another amount from now on: it was measured (models/measured-use.ts). */
import { release, reserve } from '@gryphgen/scheduler';
import { holdOtherwise } from '../principals/shares.ts';
import type { BrokerState, Task } from '../state.ts';
import { knownWorker } from './apply-workers.ts';
import { reservationOf, type WireDevice } from './decisions.ts';

/** The ledger and its principal's quota go by this; the plan is kept for what is learned of it. */
export function holdMeasured(state: BrokerState, task: Task, measured: readonly WireDevice[]): void {
  const { lease } = task;
  if (lease === null) throw new Error(`t${task.id} was measured without a lease`);
  const { ledger } = knownWorker(state, lease.worker).view;
  const before = lease.reservation;
  const { devices } = reservationOf(task.spec.envelope, measured);
  if (!lease.idle) release(ledger, before);
  lease.planned ??= before;
  lease.reservation = { ...before, devices };
  if (!lease.idle) reserve(ledger, lease.reservation);
  holdOtherwise(state, task, before, lease.reservation);
  state.waiting.capacityVersion += 1;
  state.wake = true;
}
