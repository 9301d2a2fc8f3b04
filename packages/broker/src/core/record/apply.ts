/**
 * Applies decisions to the state: when they are taken and, unchanged, when they are replayed. Nothing here decides,
 * sends or reads a clock.
 *
 * 1. A reservation is made by `leaseTask` and released by exactly one of `endTask` and `requeueTask`, unless the attempt
 *    was seen to have ended before (`idle`; E14).
 * 2. A task that ended never changes again.
 */
import type { AttemptNo, Epoch, Failure, TaskId, WorkerId } from '@gryphgen/protocol';
import { asksModel, isEphemeral, isOrdered, usageOf } from '@gryphgen/protocol';
import { release, reserve } from '@gryphgen/scheduler';
import { changeCollection } from '../collections/collection-book.ts';
import { learnFromEnd, learnFromLack, noteStart } from '../learning.ts';
import { changeModel, noteInstance } from '../models/hosting.ts';
import { learnOfModel } from '../models/model-learning.ts';
import { readNote } from '../placing/journaled-note.ts';
import { joinLine, leaveLine } from '../placing/waiting-line.ts';
import { addToShare, countLease, takeFromShare, uncountLease } from '../principals/shares.ts';
import type { BrokerState, Task, TaskLease, TaskOutcome } from '../state.ts';
import { holdMeasured } from './apply-measured.ts';
import { releaseSpec, useSpec } from './apply-specs.ts';
import { forgetClients, forgetKeys, keepKey, raiseFloor, windowOf } from './apply-submissions.ts';
import {
  changePolicy,
  drainWorker,
  knownWorker,
  nameWorker,
  removeWorker,
  setWindows,
} from './apply-workers.ts';
import type { Decision } from './decisions.ts';
import { decided, outcomeStates, reservationOf } from './decisions.ts';

/** `epoch`: that of the group the decision stands in. */
export function apply(state: BrokerState, epoch: Epoch, decision: Decision): void {
  switch (decision[0]) {
    case decided.envelope:
      state.specs.set(decision[1], {
        hash: decision[1],
        envelope: decision[2],
        shapeKey: decision[3],
        refs: 0,
      });
      return;
    case decided.accepted: {
      const [, id, envelope, body, principal, client, seq, floor, key, submittedAt, ...later] = decision;
      const [bodyBytes = 0, byAdmin = false] = later;
      const spec = state.specs.get(envelope);
      if (spec === undefined)
        throw new Error(`t${id} names envelope ${envelope}, which no earlier record holds`);
      const made = { id, spec, body, bodyBytes, principal, byAdmin, client, submittedAt };
      acceptTask(state, made, seq, floor);
      if (key !== '') keepKey(state, state.tasks.get(id) as Task, key);
      return;
    }
    case decided.leased: {
      const [, id, attempt, worker, devices, leasedAt, why, part = 0, memoryBytes, times = null] = decision;
      const note = why === undefined ? null : readNote(why, state.workers);
      if (note !== null) state.notes.keep(note);
      const task = liveTask(state, id);
      const reservation = reservationOf(task.spec.envelope, devices, memoryBytes);
      leaseTask(state, task, attempt, worker, { epoch, reservation, leasedAt, part, note, times });
      noteStart(state, task, worker, times);
      return;
    }
    case decided.ended: {
      const [, id, , stateNo, exitCode, code, message, startedAt, endedAt, outcome, usage] = decision;
      const failure = code === '' ? null : { code, message };
      endTask(state, liveTask(state, id), {
        state: outcomeStates[stateNo],
        exitCode,
        failure,
        startedAt,
        endedAt,
        outcome: outcome ?? noOutcome,
        usage: usage === undefined ? null : usageOf(usage),
      });
      return;
    }
    case decided.requeued: {
      const [, id, , code, message, delayMs, at, afresh = false, usage] = decision;
      const task = liveTask(state, id);
      const [failure, used] = [{ code, message }, usage === undefined ? null : usageOf(usage)];
      learnFromLack(state, task, failure, used);
      learnOfModel(state, task, { failure, usage: used });
      requeueTask(state, task, failure, delayMs, at, afresh);
      return;
    }
    case decided.cancelRequested:
      liveTask(state, decision[1]).cancelRequested = true;
      noteInstance(state, liveTask(state, decision[1]));
      return;
    case decided.preempted: {
      const [, id, , by, at] = decision;
      const task = liveTask(state, id);
      task.preemptions += 1;
      if (task.lease !== null) task.lease.preempted = { by, at };
      noteInstance(state, task);
      return;
    }
    case decided.policyChanged:
      changePolicy(state, decision);
      return;
    case decided.workerNamed:
      nameWorker(state, decision[1], decision[2], decision[4]);
      return;
    case decided.drainOrdered:
      drainWorker(state, decision);
      return;
    case decided.modelSet:
    case decided.modelRemoved:
      changeModel(state, decision);
      return;
    case decided.collectionSet:
    case decided.collectionForgotten:
      changeCollection(state, decision);
      return;
    case decided.measured:
      holdMeasured(state, liveTask(state, decision[1]), decision[3]);
      return;
    case decided.windowsSet:
      setWindows(state, decision[1], decision[2]);
      return;
    case decided.workerRemoved:
      removeWorker(state, decision[1]);
      return;
    case decided.keysForgotten:
      forgetKeys(state, decision);
      return;
    case decided.clientsForgotten:
      forgetClients(state, decision[1]);
      return;
    case decided.restored:
      state.nextTask = Math.max(state.nextTask, decision[1]);
      return;
    default:
      decision satisfies never;
      throw new Error(
        `a record of kind ${String((decision as readonly unknown[])[0])} is not of this version`,
      );
  }
}

export const noOutcome = new Uint8Array(0);

type NewTask = Pick<
  Task,
  'id' | 'spec' | 'body' | 'bodyBytes' | 'principal' | 'byAdmin' | 'client' | 'submittedAt'
>;

export function acceptTask(state: BrokerState, made: NewTask, seq: number, floor: number): Task {
  const { id, spec, body, bodyBytes, principal, byAdmin, client, submittedAt } = made;
  const task: Task = {
    id,
    spec,
    body,
    bodyBytes,
    principal,
    byAdmin,
    client,
    submittedAt,
    turn: isEphemeral(id) ? state.nextTask - 1 : id,
    phase: 'waiting',
    attempt: 0 as AttemptNo,
    failures: 0,
    losses: 0,
    preemptions: 0,
    cancelRequested: false,
    lease: null,
    outcome: null,
    lastFailure: null,
    notBefore: 0,
    requeuedAt: 0,
  };
  useSpec(state, spec);
  state.tasks.set(id, task);
  if (!isEphemeral(id)) state.nextTask = Math.max(state.nextTask, id + 1);
  // What the broker has begun by itself is no client's.
  if (client !== '') {
    const window = windowOf(state, client);
    window.tasks.set(seq, id);
    raiseFloor(window, floor);
  } else state.collections.carrying.begun(task);
  addToShare(state, task);
  state.models.begun(task);
  // A request takes nothing of a machine.
  if (!asksModel(spec.envelope.kind)) state.demand.note(spec.shapeKey, spec.envelope);
  joinLine(state, task);
  const { queueTimeoutMs } = spec.envelope;
  if (queueTimeoutMs > 0) {
    state.deadlines.add({ at: state.watch + queueTimeoutMs, kind: 'queueTimeout', task: id });
  }
  return task;
}

function leaseTask(
  state: BrokerState,
  task: Task,
  attempt: AttemptNo,
  workerId: WorkerId,
  made: Pick<TaskLease, 'epoch' | 'reservation' | 'leasedAt' | 'part' | 'note' | 'times'>,
): void {
  const { epoch, reservation, leasedAt, part, note, times } = made;
  const worker = knownWorker(state, workerId);
  if (task.lease !== null)
    throw new Error(`t${task.id} is leased a second time while attempt ${task.attempt} holds`);
  if (task.notBefore === 0) leaveLine(state, task, leasedAt);
  task.notBefore = 0;
  task.phase = 'leased';
  task.attempt = attempt;
  task.lease = {
    worker: workerId,
    epoch,
    reservation,
    planned: null,
    leasedAt,
    part,
    idle: false,
    drained: false,
    preempted: null,
    leaseSeq: 0,
    startedAt: 0,
    runsSince: null,
    served: null,
    use: null,
    note,
    times,
    fetches: false,
    bringsBytes: 0,
  };
  countLease(state, task, task.lease, leasedAt);
  state.models.placed(task, workerId, state.watch);
  reserve(worker.view.ledger, reservation);
  worker.tasks.add(task.id);
  noteInstance(state, task);
}

/** Takes the lease off the task and gives back what it held. */
function endLease(state: BrokerState, task: Task, wall: number): void {
  const lease = task.lease;
  if (lease === null) return;
  const worker = knownWorker(state, lease.worker);
  if (!lease.idle) release(worker.view.ledger, lease.reservation);
  worker.tasks.delete(task.id);
  if (lease.leaseSeq > 0) worker.unsettled.delete(lease.leaseSeq);
  task.lease = null;
  noteInstance(state, task);
  uncountLease(state, task, lease, wall);
  state.models.unplaced(task, lease.worker, state.watch);
  state.waiting.capacityVersion += 1;
  state.wake = true;
}

type Ending = Omit<TaskOutcome, 'worker' | 'reservation' | 'note' | 'times' | 'leasedAt'>;

function endTask(state: BrokerState, task: Task, ending: Ending): void {
  const lease = task.lease;
  // Field by field: a spread takes as long as all the rest of a task's end.
  task.outcome = {
    state: ending.state,
    worker: lease?.worker ?? '',
    exitCode: ending.exitCode,
    failure: ending.failure,
    leasedAt: lease?.leasedAt ?? 0,
    startedAt: ending.startedAt,
    endedAt: ending.endedAt,
    outcome: ending.outcome,
    usage: ending.usage,
    reservation: lease?.planned ?? lease?.reservation ?? null,
    note: lease?.note ?? null,
    times: lease?.times ?? null,
  };
  if (lease !== null) learnFromEnd(state, task, lease, task.outcome);
  learnOfModel(state, task, ending);
  learnFromLack(state, task, ending.failure, ending.usage);
  if (lease === null && task.notBefore === 0) leaveLine(state, task);
  if (lease !== null) state.holders.noteLeft(task.spec.envelope, ending.outcome, lease.worker);
  endLease(state, task, ending.endedAt);
  takeFromShare(state, task);
  state.models.ended(task);
  state.collections.carrying.ended(task, state.watch);
  task.phase = 'ended';
  state.tasks.delete(task.id);
  state.ended.set(task.id, task);
  const forgotten = state.endedOrder.push(task.id);
  if (forgotten !== undefined) state.ended.delete(forgotten);
  releaseSpec(state, task.spec);
}

function requeueTask(
  state: BrokerState,
  task: Task,
  failure: Failure,
  delayMs: number,
  at: number,
  afresh: boolean,
): void {
  endLease(state, task, at);
  task.requeuedAt = at + delayMs;
  if (afresh) Object.assign(task, { failures: 0, losses: 0 });
  if (!failure.code.startsWith('lost.')) task.failures += 1;
  else if (!isOrdered(failure.code)) task.losses += 1;
  task.lastFailure = failure;
  task.phase = 'waiting';
  if (delayMs > 0) {
    task.notBefore = state.watch + delayMs;
    state.deadlines.add({ at: task.notBefore, kind: 'backoff', task: task.id });
  } else {
    joinLine(state, task);
    state.wake = true;
  }
}

function liveTask(state: BrokerState, id: TaskId): Task {
  const task = state.tasks.get(id);
  if (task === undefined) throw new Error(`a decision names t${id}, which is not live`);
  return task;
}
