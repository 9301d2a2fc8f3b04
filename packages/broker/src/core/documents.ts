/** The state as people and programs see it. */
import type {
  Fetched,
  NodeDocument,
  PrincipalDocument,
  PrincipalId,
  Role,
  TaskDocument,
  TaskId,
  WorkerId,
  WorkerReport,
} from '@gryphgen/protocol';
import { formatTaskId, readOutcome } from '@gryphgen/protocol';
import { freeMemory, freeVram } from '@gryphgen/scheduler';
import type { CoreStatus } from './effects.ts';
import { nothingHeld } from './principals/held.ts';
import { ceilingOf, limitsOf, partUsed } from './principals/shares.ts';
import type { BrokerState, Task, TaskLease, Worker } from './state.ts';
import { servedOf } from './workers/addresses.ts';
import { doubtLines } from './workers/doubts.ts';
import type { DrainWindow } from './workers/drain-window.ts';

export function taskDocument(state: BrokerState, task: Task): TaskDocument {
  return { ...taskFields(state, task), envelope: task.spec.envelope };
}

/** All but the envelope, which many tasks share. */
export function taskFields(state: BrokerState, task: Task): Omit<TaskDocument, 'envelope'> {
  const { lease, outcome } = task;
  const worker = lease?.worker ?? outcome?.worker ?? '';
  const fields = {
    id: formatTaskId(task.id),
    name: task.spec.envelope.name,
    kind: task.spec.envelope.kind,
    state: stateOf(task),
    exitCode: outcome === null || outcome.exitCode < 0 ? null : outcome.exitCode,
    worker,
    workerName: nameOf(state, worker),
    devices: (lease ?? outcome)?.reservation?.devices ?? [],
    attempts: task.attempt,
    queuedAt: task.submittedAt,
    placedAt: (lease ?? outcome)?.leasedAt ?? 0,
    startedAt: lease?.startedAt ?? outcome?.startedAt ?? 0,
    endedAt: outcome?.endedAt ?? 0,
    failure: outcome === null ? task.lastFailure : outcome.failure,
    cancelRequested: task.cancelRequested,
    principal: task.principal,
    body: task.body,
  };
  const times = (lease ?? outcome)?.times ?? null;
  // Of most that ended there is nothing more, and spreads take longer than all the rest.
  const leftNothing = outcome === null || (outcome.outcome.length === 0 && outcome.usage === null);
  if (lease === null && leftNothing && times === null) return fields;
  return {
    ...fields,
    ...foretoldIn(times),
    ...leftBy(task),
    ...(outcome?.usage && { usage: outcome.usage }),
    ...(lease?.use && { use: lease.use }),
    ...servedOf(state, lease),
  };
}

export function foretoldIn(times: TaskLease['times']): Pick<TaskDocument, 'foretold'> {
  return times === null ? {} : { foretold: { fetchMs: times[0], runMs: times[1] } };
}

function leftBy({ outcome }: Task): Pick<TaskDocument, 'image' | 'outputs'> {
  if (outcome === null || outcome.outcome.length === 0) return {};
  const { image, outputs } = readOutcome(outcome.outcome) ?? {};
  return { ...(image !== undefined && { image }), ...(outputs !== undefined && { outputs }) };
}

/** '' of none. */
export function nameOf({ workers, removed }: BrokerState, worker: WorkerId | ''): string {
  if (worker === '') return '';
  return workers.get(worker)?.view.name ?? removed.get(worker) ?? worker;
}

export function stateOf(task: Task): TaskDocument['state'] {
  if (task.phase !== 'ended') return task.phase;
  if (task.outcome === null) throw new Error(`${formatTaskId(task.id)} ended without an outcome`);
  return task.outcome.state;
}

/** Of one worker: those of the most attempts. */
const predictionsShown = 12;

/** `sees`: which of its tasks are named. */
export function nodeDocument(
  { tasks: live, errors, models }: Pick<BrokerState, 'tasks' | 'errors' | 'models'>,
  worker: Worker,
  sees: (task: TaskId) => boolean = () => true,
): NodeDocument {
  const { view } = worker;
  const { cpuMilli, memoryBytes, diskBytes, attempts, devices } = view.ledger;
  return {
    id: worker.id,
    name: view.name,
    state: nodeState(worker),
    ...(view.draining && { drain: { until: view.drainUntil } }),
    ...(worker.windows.length > 0 && { windows: worker.windows.map(windowDocument) }),
    report: view.report,
    reserved: {
      cpuMilli,
      memoryBytes,
      diskBytes,
      attempts,
      devices: [...devices].map(([uuid, held]) => ({
        uuid,
        vramBytes: held.vramBytes,
        holders: held.holders,
      })),
    },
    ...(view.report && { ledger: ledgerOf(live, worker, view.report) }),
    predictions: [errors, models.lessons.loadErrors].flatMap((of) => of.of(worker.id, predictionsShown)),
    doubts: doubtLines(worker),
    tasks: [...worker.tasks].filter(sees).map(formatTaskId),
    ghosts: worker.ghosts.size,
  };
}

function windowDocument({ id, at, ms, deadlineMs, begun }: DrainWindow) {
  return { id, at, until: ms === null ? 0 : at + ms, ...(deadlineMs !== null && { deadlineMs }), begun };
}

function ledgerOf(
  tasks: BrokerState['tasks'],
  { view, tasks: leased }: Worker,
  report: WorkerReport,
): NodeDocument['ledger'] {
  const observed = { cpuMilli: 0, memoryBytes: 0 };
  for (const id of leased) {
    const use = tasks.get(id)?.lease?.use;
    observed.cpuMilli += use?.cpuMilli ?? 0;
    observed.memoryBytes += use?.memoryBytes ?? 0;
  }
  const { ledger, beyondBytes } = view;
  const atLeastNone = (amount: number) => Math.max(0, Math.floor(amount));
  const devices = report.devices.map((device) => {
    const held = ledger.devices.get(device.uuid);
    return { uuid: device.uuid, vramBytes: held?.whole ? 0 : atLeastNone(freeVram(device, held, 'now')) };
  });
  const free = {
    cpuMilli: atLeastNone(report.cpuMilli - ledger.cpuMilli),
    memoryBytes: atLeastNone(freeMemory(view, report)),
    devices,
  };
  return { observed, beyondBytes, free };
}

/** While it comes: how much has come of what its attempt is given. */
export function fetchedOf({ phase, lease }: Task): Fetched | undefined {
  return phase === 'leased' ? lease?.use?.fetched : undefined;
}

/** What a principal has, and what it may have. */
export function shareDocument(
  state: BrokerState,
  principal: PrincipalId,
  role: Role,
  wall: number,
): Pick<PrincipalDocument, 'has' | 'limits'> {
  const { tasks, running = 0, bodiesBytes = 0, held = nothingHeld } = state.shares.get(principal) ?? {};
  const queued = (tasks?.size ?? 0) - running;
  const has = { queued, running, bodiesBytes, use: partUsed(state, principal, wall), held: { ...held } };
  const { highestPriority: _, ...limits } = limitsOf(state, principal);
  const ceiling = ceilingOf(state, principal, role);
  return { has, limits: ceiling === undefined ? limits : { ...limits, highestPriority: ceiling } };
}

function nodeState(worker: Worker): NodeDocument['state'] {
  if (worker.session === null) return 'away';
  if (!worker.view.connected) return 'silent';
  return worker.view.draining ? 'draining' : 'ready';
}

/** The shell adds what it alone knows. */
export function statusDocument(state: BrokerState): CoreStatus {
  return {
    epoch: state.epoch,
    waiting: state.waiting.size,
    live: state.tasks.size,
    workers: state.workers.size,
    connected: state.views.filter((view) => view.connected).length,
    sessions: state.sessions.size,
    journalStalled: state.journalStalled,
    counters: { ...state.counters },
  };
}
