/** Decisions about workers, applied: the part of `apply.ts` that knows nothing of tasks. */
import { limits, type WorkerId } from '@gryphgen/protocol';
import { changeView, newView } from '@gryphgen/scheduler';
import type { WireSeat } from './learning.ts';
import type { BrokerState, Worker } from './state.ts';

/** A worker says hello for the first time, or under a new name, or with places that are new. */
export function nameWorker(
  state: BrokerState,
  id: WorkerId,
  name: string,
  seats: readonly WireSeat[] = [],
): void {
  for (const seat of seats) state.learned.runs.describeSeat(...seat);
  const known = state.workers.get(id);
  if (known !== undefined) {
    changeView(known.view, { name });
    return;
  }
  const worker: Worker = {
    id,
    view: newView(id, name),
    session: null,
    boot: '',
    heardAt: state.watch,
    heartbeatSeq: 0,
    reportSeq: 0,
    nextLeaseSeq: 1,
    leaseFloor: 1,
    unsettled: new Map(),
    tasks: new Set(),
    ghosts: new Map(),
    doubts: new Map(),
    deadline: null,
  };
  state.workers.set(id, worker);
  state.removed.delete(id);
  state.views.push(worker.view);
}

export function drainWorker(
  state: BrokerState,
  id: WorkerId,
  draining: boolean,
  deadline: { readonly at: number; readonly ms: number } | null,
): void {
  const worker = knownWorker(state, id);
  const drainUntil = deadline === null ? 0 : deadline.at + deadline.ms;
  changeView(worker.view, { draining, drainUntil });
  lookAgain(state);
  worker.deadline = deadline && { ...deadline, dueMono: null };
}

export function removeWorker(state: BrokerState, id: WorkerId): void {
  const worker = knownWorker(state, id);
  if (worker.tasks.size > 0) throw new Error(`${id} is removed with ${worker.tasks.size} leases`);
  state.workers.delete(id);
  state.views.splice(state.views.indexOf(worker.view), 1);
  state.removed.set(id, worker.view.name);
  state.learned.runs.forgetSeat(id);
  state.errors.forgetWorker(id);
  lookAgain(state);
  if (state.removed.size > limits.removedWorkers) state.removed.delete(firstOf(state.removed));
}

/** Who takes tasks has changed: what was charged because it would fit there may go elsewhere as it is asked for. */
export function lookAgain(state: BrokerState): void {
  state.waiting.capacityVersion += 1;
  state.wake = true;
}

function firstOf(removed: ReadonlyMap<WorkerId, string>): WorkerId {
  return removed.keys().next().value as WorkerId;
}

export function knownWorker(state: BrokerState, id: WorkerId): Worker {
  const worker = state.workers.get(id);
  if (worker === undefined) throw new Error(`a decision names worker ${id}, which is not known`);
  return worker;
}
