/**
 * Workers' signs of life: hello, heartbeat, report (E9–E11, E14).
 *
 * 1. Only a hello takes an attempt from a worker; a heartbeat never does.
 * 2. What a life of a worker took it lists until it is acknowledged. So a lease that the same life does not list, and never said
 *    to run, was not taken: it went to a session that this life left, maybe before it heard its welcome. It is sent again.
 * 3. A ghost stays reserved, and is told to end, until a later heartbeat does not list it.
 */
import type {
  AttemptReport,
  DeviceShare,
  Heartbeat,
  PeerHello,
  Report,
  Reservation,
  SessionId,
  WorkerId,
  WorkerReport,
} from '@gryphgen/protocol';
import { failure, limits } from '@gryphgen/protocol';
import {
  changeView,
  freesMemory,
  type Ledger,
  placesAlike,
  release,
  reserve,
  type ToldSeat,
} from '@gryphgen/scheduler';
import { adoptCollections } from '../collections/placing-collections.ts';
import type { Context } from '../context.ts';
import {
  closeSession,
  decide,
  forgetSession,
  mustEnd,
  sendLease,
  sendStop,
  setIdle,
  tell,
} from '../context.ts';
import type { BrokerEvent } from '../events.ts';
import { newSeats } from '../learning.ts';
import { attemptFailed, end, leasedTo, setRunning, tellChanged } from '../outcomes.ts';
import { type Decision, decided } from '../record/decisions.ts';
import type { Worker } from '../state.ts';
import { doubt, mayReplace } from './doubts.ts';
import { expectServed } from './serving.ts';
import { noteUses } from './told-use.ts';
import { followWindows, noteUpcoming } from './windows.ts';
import { nameFor } from './worker-names.ts';

type WorkerHello = Extract<PeerHello, { kind: 'worker' }>;

export function onWorkerHello(context: Context, session: SessionId, id: WorkerId, hello: WorkerHello): void {
  const { state } = context;
  const known = state.workers.get(id);
  if (known === undefined && state.workers.size >= limits.workers) {
    turnAway(context, session);
    return;
  }
  const { name: said } = hello.report;
  const name = nameFor(state, id, said);
  const seats = newSeats(state.learned, id, hello.report);
  if (known?.view.name !== name || seats.length > 0)
    decide(context, named(id, name, context.now.wall, seats));
  const worker = state.workers.get(id) as Worker;
  if (worker.session !== null) forgetSession(state, worker.session);
  const isSameLife = worker.boot === hello.boot;
  worker.session = session;
  worker.boot = hello.boot;
  worker.heardAt = state.watch;
  worker.heartbeatSeq = 0;
  worker.reportSeq = 0;
  worker.doubts.clear();
  if (name !== said) {
    state.counters.namesTaken += 1;
    doubt(worker, 'name', `says that its name is ${said}, which is another's: it is known as ${name}`);
  }
  worker.nextLeaseSeq = 1;
  worker.leaseFloor = 1;
  changeView(worker.view, { report: believable(hello.report), connected: true, beyondBytes: 0 });
  adoptCollections(context, worker);
  for (const { reservation } of worker.ghosts.values()) release(worker.view.ledger, reservation);
  worker.ghosts.clear();
  const kept = new Set<number>();
  const listed = new Set<number>();
  for (const reported of hello.attempts) {
    listed.add(reported.task);
    if (adopt(context, worker, reported)) kept.add(reported.task);
  }
  for (const id of [...worker.tasks]) {
    const task = state.tasks.get(id);
    if (task === undefined || kept.has(id)) continue;
    if (isSameLife && !listed.has(id) && task.phase === 'leased' && !mustEnd(task)) {
      state.counters.leaseRepeats += 1;
      sendLease(context, task, worker);
      continue;
    }
    state.counters.expired += 1;
    attemptFailed(
      context,
      task,
      failure('lost.worker', `${worker.view.name} restarted and no longer had it`),
    );
  }
  // In a new epoch something may be placed there before the first tick.
  if (worker.windows.length > 0) {
    followWindows(context, worker);
    noteUpcoming(context);
  }
  state.possible.workersChanged();
  state.size.workersChanged();
  state.waiting.capacityVersion += 1;
  state.wake = true;
}

function named(id: WorkerId, name: string, at: number, seats: readonly ToldSeat[]): Decision {
  return seats.length > 0 ? [decided.workerNamed, id, name, at, seats] : [decided.workerNamed, id, name, at];
}

function turnAway(context: Context, session: SessionId): void {
  context.state.counters.turnedAway += 1;
  const words = `this grid knows ${limits.workers} workers, its limit: "grid node remove" one that is gone for good`;
  closeSession(context, session, failure('rejected.limit', words));
}

/** Confirms a reported attempt that holds its task's lease, or has it dropped. Returns whether it was confirmed. */
function adopt(context: Context, worker: Worker, reported: AttemptReport): boolean {
  const { state } = context;
  const task = leasedTo(state, worker, reported);
  if (task?.lease == null || reported.phase === 'held') {
    const name = `${reported.epoch}.${reported.task}.${reported.attempt}`;
    // One that has ended holds nothing any more, and what it held may be another's by now.
    if (reported.phase !== 'ended' && !worker.ghosts.has(name)) {
      const reservation = countable(worker.view.ledger, reported.reservation);
      worker.ghosts.set(name, { ...reported, reservation });
      reserve(worker.view.ledger, reservation);
    }
    state.counters.fenced += 1;
    sendDrop(context, worker, reported);
    return false;
  }
  state.counters.adopted += 1;
  expectServed(task.lease);
  if (reported.phase === 'running' && task.phase === 'leased') setRunning(context, task, task.lease);
  if (reported.phase === 'ended') setIdle(state, task);
  sendLease(context, task, worker);
  if (mustEnd(task)) sendStop(context, task, worker);
  return true;
}

/**
 * What a worker says a ghost holds is only its word: added to what is held it must stay exact, or the release would not
 * match. No honest sum comes near.
 */
function countable(ledger: Ledger, said: Reservation): Reservation {
  const most = (amount: number, held: number) =>
    Math.min(amount, Math.max(0, Number.MAX_SAFE_INTEGER - held));
  const devices = new Map<string, DeviceShare>();
  for (const share of said.devices) {
    const held = ledger.devices.get(share.uuid)?.vramBytes ?? 0;
    devices.set(share.uuid, { ...share, vramBytes: most(share.vramBytes, held) });
  }
  return {
    cpuMilli: most(said.cpuMilli, ledger.cpuMilli),
    memoryBytes: most(said.memoryBytes, ledger.memoryBytes),
    diskBytes: most(said.diskBytes, ledger.diskBytes),
    devices: [...devices.values()],
  };
}

/** A device named twice is one device: placement counts devices, and would give out one that is not there. */
function believable(report: WorkerReport): WorkerReport {
  const devices = new Map(report.devices.map((device) => [device.uuid, device]));
  return devices.size === report.devices.length ? report : { ...report, devices: [...devices.values()] };
}

/** Sent with each heartbeat that still lists the attempt: the word may be lost, and nothing else ends it. */
function sendDrop(context: Context, worker: Worker, { task, attempt, epoch }: AttemptReport): void {
  if (worker.session === null) return;
  tell(context, worker.session, task, { kind: 'stop', task, attempt, epoch, leaseSeq: 0, reason: 'drop' });
}

export function onWorkerHeartbeat(context: Context, worker: Worker, message: Heartbeat): void {
  const { state } = context;
  const listed = new Set<string>();
  for (const [task, attempt] of message.attempts) listed.add(`${task}.${attempt}`);
  for (const [name, ghost] of worker.ghosts) {
    // It lists attempts without their epochs. Two of one number are both told, until neither is there.
    if (listed.has(`${ghost.task}.${ghost.attempt}`)) {
      sendDrop(context, worker, ghost);
      continue;
    }
    release(worker.view.ledger, ghost.reservation);
    worker.ghosts.delete(name);
    state.waiting.capacityVersion += 1;
    state.wake = true;
  }
  // Once a heartbeat at the most.
  for (const task of noteUses(state, worker, message)) tellChanged(context, task);
  repeatUnsettled(context, worker, listed);
}

/** Leases that should have arrived by now and stops that wait for a result are sent again. */
function repeatUnsettled(context: Context, worker: Worker, listed: ReadonlySet<string>): void {
  const { state } = context;
  const due = state.watch - 2 * state.timers.heartbeatMs;
  for (const { task: id, attempt, sentAt } of [...worker.unsettled.values()]) {
    const task = state.tasks.get(id);
    if (task === undefined || task.attempt !== attempt) continue;
    if (mustEnd(task)) sendStop(context, task, worker);
    const arrived = listed.has(`${id}.${attempt}`);
    if (sentAt > due || arrived) continue;
    state.counters.leaseRepeats += 1;
    sendLease(context, task, worker);
  }
}

export function onReport(context: Context, worker: Worker, message: Report): void {
  if (message.seq <= worker.reportSeq) return;
  worker.reportSeq = message.seq;
  if (!mayReplace(worker, message.report)) return;
  const seats = newSeats(context.state.learned, worker.id, message.report);
  if (seats.length > 0 && !context.state.journalStalled)
    decide(context, named(worker.id, worker.view.name, context.now.wall, seats));
  const before = worker.view.report;
  const report = believable(message.report);
  changeView(worker.view, { report });
  adoptCollections(context, worker);
  if (before === null || !placesAlike(before, report)) {
    context.state.possible.workersChanged();
    context.state.size.workersChanged();
  } else if (!freesMemory(before, report)) return;
  context.state.waiting.capacityVersion += 1;
  context.state.wake = true;
}

/**
 * What was leased can never be sent, here or elsewhere: the task ends. One that runs has it already. A worker that holds
 * it unstarted drops it, and until it does it is a ghost like any other.
 */
export function onBodyMissing(context: Context, event: Extract<BrokerEvent, { kind: 'bodyMissing' }>): void {
  const { state } = context;
  const task = state.tasks.get(event.task);
  if (task?.lease == null || task.attempt !== event.attempt || task.phase === 'running') return;
  const { worker: id, epoch, reservation, idle } = task.lease;
  const { attempt } = task;
  const words = `what it is to run is lost: ${event.why}; submit it again`;
  end(context, task, 'failed', failure('internal.bug', words));
  const worker = state.workers.get(id);
  if (worker === undefined || idle) return;
  const ghost = { task: event.task, attempt, epoch, phase: 'held' as const, reservation };
  worker.ghosts.set(`${epoch}.${event.task}.${attempt}`, ghost);
  reserve(worker.view.ledger, reservation);
}
