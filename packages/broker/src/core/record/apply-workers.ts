/** Decisions about workers, applied: the part of `apply.ts` that knows nothing of tasks. */
import { limits, type WorkerId } from '@gryphgen/protocol';
import { changeView, newView, type ToldSeat } from '@gryphgen/scheduler';
import type { BrokerState, Worker } from '../state.ts';
import type { DrainDeadline, DrainWindow } from '../workers/drain-window.ts';
import type { Decision, decided, WireWindow } from './decisions.ts';

/** A worker says hello for the first time, or under a new name, or with places that are new. */
export function nameWorker(
  state: BrokerState,
  id: WorkerId,
  name: string,
  seats: readonly ToldSeat[] = [],
): void {
  for (const seat of seats) state.learned.runs.describeSeat(...seat);
  const known = state.workers.get(id);
  if (known !== undefined) {
    state.names.take(id, known.view.name);
    state.names.give(id, name);
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
    drained: false,
    deadline: null,
    windows: [],
  };
  state.workers.set(id, worker);
  state.names.give(id, name);
  changeView(worker.view, { shards: state.collections.heldBy(id, state.workers) });
  state.removed.delete(id);
  state.roster.add(worker.view);
}

type DrainOrdered = Extract<Decision, readonly [typeof decided.drainOrdered, ...unknown[]]>;

export function drainWorker(state: BrokerState, [, id, draining, at, ms = null]: DrainOrdered): void {
  const worker = knownWorker(state, id);
  worker.drained = draining;
  worker.deadline = ms === null ? null : { at, ms, dueMono: null };
  // To resume is to cancel what is planned, too.
  if (!draining) worker.windows = [];
  settleDrain(state, worker);
}

export function setWindows(state: BrokerState, id: WorkerId, windows: readonly WireWindow[]): void {
  const worker = knownWorker(state, id);
  const before = new Map(worker.windows.map((window) => [window.id, window.deadline]));
  worker.windows = windows
    .map(([id, at, ms, deadlineMs, begun]): DrainWindow => {
      const made = begun && deadlineMs !== null ? { at, ms: deadlineMs, dueMono: null } : null;
      return { id, at, ms, deadlineMs, begun, deadline: before.get(id) ?? made, dueMono: null };
    })
    .sort((a, b) => a.at - b.at);
  settleDrain(state, worker);
}

/** Whether it drains, by order or by plan, until when, and when it takes tasks again by itself. */
function settleDrain(state: BrokerState, worker: Worker): void {
  const begun = worker.windows.filter((window) => window.begun);
  const deadlines = deadlinesOf(worker).map(({ at, ms }) => at + ms);
  const ends = begun.map(({ at, ms }) => (ms === null ? Number.POSITIVE_INFINITY : at + ms));
  const lastEnd = worker.drained ? Number.POSITIVE_INFINITY : Math.max(0, ...ends);
  changeView(worker.view, {
    draining: worker.drained || begun.length > 0,
    drainUntil: deadlines.length === 0 ? 0 : Math.min(...deadlines),
    resumesAt: Number.isFinite(lastEnd) ? lastEnd : 0,
  });
  lookAgain(state);
}

/** Of its drains by order and by plan. */
export function deadlinesOf({ deadline, windows }: Worker): readonly DrainDeadline[] {
  if (windows.length === 0) return deadline === null ? [] : [deadline];
  return [deadline, ...windows.map((window) => window.deadline)].filter((one) => one !== null);
}

export function removeWorker(state: BrokerState, id: WorkerId): void {
  const worker = knownWorker(state, id);
  if (worker.tasks.size > 0) throw new Error(`${id} is removed with ${worker.tasks.size} leases`);
  state.workers.delete(id);
  state.names.take(id, worker.view.name);
  state.roster.remove(worker.view);
  state.removed.set(id, worker.view.name);
  state.learned.runs.forgetSeat(id);
  state.learned.fetches.forgetSeat(id);
  state.errors.forgetWorker(id);
  state.models.lessons.loadErrors.forgetWorker(id);
  lookAgain(state);
  if (state.removed.size > limits.removedWorkers) state.removed.delete(firstOf(state.removed));
}

type PolicyChanged = Extract<Decision, readonly [typeof decided.policyChanged, ...unknown[]]>;

/** What waits may go elsewhere by another policy. */
export function changePolicy(
  state: BrokerState,
  [, kind, policy, at, by, reason, evidence]: PolicyChanged,
): void {
  state.policies.apply({ kind, policy, at, by, reason, evidence });
  lookAgain(state);
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
