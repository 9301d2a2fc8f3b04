/**
 * How attempts and tasks end: results, losses, cancellations, retries (E8, E10, E15, E16).
 *
 * 1. A result has effect only when worker, epoch and attempt are those of the task's present lease.
 * 2. A task ends once; whoever waits for it is told after the ending is durable.
 */
import type {
  Changed,
  Failure,
  Finished,
  OutcomeState,
  Result,
  SessionId,
  Started,
  TaskId,
} from '@gryphgen/protocol';
import {
  asksModel,
  failure,
  familyOf,
  formatTaskId,
  isEphemeral,
  isOrdered,
  limits,
  usageTuple,
} from '@gryphgen/protocol';
import { changeView } from '@gryphgen/scheduler';
import { cancelledBecause, noteCancel } from './cancelled-because.ts';
import type { Context } from './context.ts';
import { decide, mention, mustWait, send, sendStop, setIdle, tell } from './context.ts';
import { fetchedOf, nameOf } from './documents.ts';
import { learnFromStart } from './learning.ts';
import { askerOf, isAttended } from './models/attended-tasks.ts';
import { givesUp } from './models/failed-starts.ts';
import { noteInstance } from './models/hosting.ts';
import { noOutcome } from './record/apply.ts';
import { decided, outcomeStates } from './record/decisions.ts';
import type { BrokerState, Task, TaskLease, Worker } from './state.ts';
import { servedOf } from './workers/addresses.ts';
import { whyEnded } from './workers/draining.ts';
import { believableUsage } from './workers/told-use.ts';

const backoffCeilingMs = 600_000;
/** Where nothing bounds the tries: each is journaled. */
const leastRestartMs = 1000;
/** For who asked to show that it is there (E37): it is told that the attempt was lost. */
export const listenerMs = 1000;

/** The task whose present lease this is, or undefined: then it is fenced. */
export function leasedTo(
  state: BrokerState,
  worker: Worker,
  named: { readonly task: TaskId; readonly attempt: number; readonly epoch: number },
): Task | undefined {
  const task = state.tasks.get(named.task);
  const lease = task?.lease;
  if (!lease || lease.worker !== worker.id || lease.epoch !== named.epoch) return undefined;
  return task.attempt === named.attempt ? task : undefined;
}

export function onStarted(context: Context, worker: Worker, message: Started): void {
  const task = leasedTo(context.state, worker, message);
  if (task?.lease == null) {
    context.state.counters.fenced += 1;
    return;
  }
  if (task.phase !== 'running') setRunning(context, task, task.lease);
}

export function setRunning(context: Context, task: Task, lease: TaskLease): void {
  task.phase = 'running';
  learnFromStart(context.state, task, lease, context.now.wall);
  context.state.holders.noteGiven(task.spec.envelope, lease.worker);
  lease.startedAt ||= context.now.wall;
  lease.runsSince = context.state.watch;
  noteInstance(context.state, task);
  tellChanged(context, task);
}

export function onResult(context: Context, worker: Worker, session: SessionId, message: Result): void {
  const task = leasedTo(context.state, worker, message);
  if (mustWait(context.state, message.task)) {
    // Unanswered it comes again with each heartbeat (E10, E19); what the attempt held is free already.
    if (task !== undefined) setIdle(context.state, task);
    return;
  }
  if (task?.lease == null) {
    context.state.counters.fenced += 1;
  } else {
    task.lease.startedAt ||= startOf(task.lease, message.ranMs, context.now.wall);
    noteReliability(worker, true);
    const failed = message.failure && whyEnded(context, task, worker, message.failure);
    const why = failed ?? failedBySuccess(context.state, task, message.exitCode);
    const { exitCode, outcome, ranMs } = message;
    const usage = believableUsage(worker, task.lease, message, context.now.wall);
    const ended = { exitCode, outcome, ranMs, usage };
    if (why === null) end(context, task, 'succeeded', null, ended);
    else attemptFailed(context, task, why, ended);
  }
  const { task: id, attempt, epoch } = message;
  mention(context, session, { kind: 'resultAck', task: id, attempt, epoch }, !isEphemeral(id));
}

/** A service that is to run always, and an instance, do not end by themselves. One whose cancel is noted has succeeded (E15), but for instances. */
function failedBySuccess(state: BrokerState, task: Task, exitCode: number): Failure | null {
  const { kind, restart } = task.spec.envelope;
  if (kind === 'instance' && task.cancelRequested) return cancelledBecause(state, task);
  if (kind === 'instance')
    return failure('execution.exit', `its server ended by itself, with code ${exitCode}`);
  if (restart !== 'always' || task.cancelRequested) return null;
  return failure('execution.exit', `the command exited with code ${exitCode}, and it is to run always`);
}

/** How long it ran is the worker's word alone: it did so between its lease and now. */
function startOf({ leasedAt }: TaskLease, ranMs: number, wall: number): number {
  return Math.min(wall, Math.max(leasedAt, wall - ranMs));
}

type Told = Pick<Result, 'exitCode' | 'outcome' | 'ranMs' | 'usage'>;

/** Of an attempt that was lost: how long it ran is for the broker to say. */
const noResult: Told = { exitCode: -1, outcome: noOutcome, ranMs: Number.POSITIVE_INFINITY };

/** The attempt is over without success: tries again when the failure's family and the task's policy allow it. */
export function attemptFailed(context: Context, task: Task, why: Failure, told: Told = noResult): void {
  if (task.cancelRequested) {
    end(context, task, 'cancelled', cancelledBecause(context.state, task), told);
    return;
  }
  const worker = task.lease && context.state.workers.get(task.lease.worker);
  if (worker && familyOf(why.code) === 'lost' && !isOrdered(why.code)) noteReliability(worker, false);
  const afresh = hasRunWell(context.state, task, told.ranMs);
  const delayMs = retryDelay(task, why, afresh);
  if (givesUp(context.state, task, why, delayMs === undefined) || delayMs === undefined) {
    end(context, task, why.code === 'cancelled.user' ? 'cancelled' : 'failed', why, told);
    return;
  }
  const { state } = context;
  state.counters.requeued += 1;
  const { id, attempt } = task;
  const requeued = [decided.requeued, id, attempt, why.code, why.message, delayMs, context.now.wall] as const;
  const usage = usageTuple(told.usage);
  const decision =
    usage === undefined
      ? afresh
        ? ([...requeued, true] as const)
        : requeued
      : ([...requeued, afresh, usage] as const);
  decide(context, decision, !isEphemeral(id));
  if (why.code === 'lost.link' && isAttended(task)) state.models.attended.doubt(task, askerOf(state, task));
  tellChanged(context, task);
}

/** Moves a worker's reliability by one attempt: lost ones count far more than kept ones. */
function noteReliability(worker: Worker, kept: boolean): void {
  const { view } = worker;
  const { reliability } = view;
  if (kept && reliability === 1) return;
  changeView(view, { reliability: kept ? reliability + (1 - reliability) * 0.05 : reliability * 0.7 });
}

/** A service that has run for long: a failure now is not one of a series (E16). */
function hasRunWell({ watch }: BrokerState, { spec, lease }: Task, ranMs: number): boolean {
  const since = lease?.runsSince ?? null;
  if (spec.envelope.restart === undefined || since === null) return false;
  return Math.min(ranMs, watch - since) >= limits.serviceWellMs;
}

/** Milliseconds to wait before the next try, or undefined when there is none (E16). */
function retryDelay(task: Task, why: Failure, afresh: boolean): number | undefined {
  const { retries, restart } = task.spec.envelope;
  const { failures, losses } = afresh ? { failures: 0, losses: 0 } : task;
  const firstMs = restart === undefined ? retries.backoffMs : Math.max(leastRestartMs, retries.backoffMs);
  switch (familyOf(why.code)) {
    case 'lost':
      // Each drain is ordered by somebody, and preemptions are counted, which bounds them.
      if (!isOrdered(why.code) && losses >= limits.losses) return undefined;
      return why.code === 'lost.link' && isAttended(task) ? listenerMs : 0;
    case 'execution':
      if (restart === undefined && failures >= retries.limit) return undefined;
      return Math.min(backoffCeilingMs, firstMs * 2 ** Math.min(failures, 20));
    case 'unplaceable':
    case 'rejected':
    case 'cancelled':
    case 'internal':
      return undefined;
  }
}

export function end(
  context: Context,
  task: Task,
  state: OutcomeState,
  why: Failure | null,
  { exitCode, outcome, usage: told }: Told = noResult,
): void {
  const { counters } = context.state;
  counters[state] += 1;
  // A part of an encoded outcome is none.
  const fits = outcome.byteLength > 0 && outcome.byteLength <= limits.outcomeBytes;
  const kept = fits ? outcome.slice() : null;
  const startedAt = task.lease?.startedAt ?? 0;
  const ended = [
    decided.ended,
    task.id,
    task.attempt,
    outcomeStates.indexOf(state) as 0 | 1 | 2,
    exitCode,
    why?.code ?? '',
    why?.message ?? '',
    startedAt,
    context.now.wall,
    kept,
  ] as const;
  const usage = usageTuple(told);
  decide(context, usage === undefined ? ended : [...ended, usage], !isEphemeral(task.id));
  if (isEphemeral(task.id)) context.effects.push({ kind: 'unpinBody', body: task.body });
  tellFinished(context, task);
}

export function finishedMessage(task: Task): Finished {
  const ended = task.outcome;
  if (ended === null) throw new Error(`${formatTaskId(task.id)} has not ended`);
  const { state, exitCode, failure: why, outcome } = ended;
  return { kind: 'finished', task: task.id, attempt: task.attempt, state, exitCode, failure: why, outcome };
}

function tellFinished(context: Context, task: Task): void {
  const { state } = context;
  const submitter = state.clientSessions.get(task.client);
  const watchers = state.watchers.get(task.id);
  if (submitter === undefined && watchers === undefined) return;
  const message = finishedMessage(task);
  const gated = !isEphemeral(task.id);
  // The end of an answer has come with the answer itself.
  const tellEnd = isAnswered(task) ? mention : send;
  if (submitter !== undefined && !watchers?.has(submitter)) tellEnd(context, submitter, message, gated);
  for (const session of watchers ?? []) {
    tellEnd(context, session, message, gated);
    state.sessions.get(session)?.watching.delete(task.id);
  }
  state.watchers.delete(task.id);
}

function isAnswered({ outcome, spec: { envelope } }: Task): boolean {
  return outcome?.state === 'succeeded' && asksModel(envelope.kind);
}

/** Progress, for those who watch the task: not journaled, not repeated. */
export function tellChanged(context: Context, task: Task): void {
  const watchers = context.state.watchers.get(task.id);
  if (watchers === undefined || task.phase === 'ended') return;
  for (const session of watchers)
    tell(context, session, task.id, changedMessage(context.state, task, task.phase));
}

export function changedMessage(state: BrokerState, task: Task, phase: Changed['state']): Changed {
  const worker = task.lease?.worker ?? '';
  const { id, attempt } = task;
  const workerName = nameOf(state, worker);
  const served = servedOf(state, task.lease);
  const fetched = fetchedOf(task);
  return {
    ...{ kind: 'changed', task: id, state: phase, attempt, worker, workerName, ...served },
    ...(fetched && { fetched }),
  };
}

/** Cancels a task, or asks its worker to (E15). Repeating it changes nothing. */
export function cancel(context: Context, task: Task): void {
  noteCancel(context.state, task);
  if (task.lease === null) {
    end(context, task, 'cancelled', cancelledBecause(context.state, task));
    return;
  }
  if (!task.cancelRequested)
    decide(context, [decided.cancelRequested, task.id, context.now.wall], !isEphemeral(task.id));
  const worker = context.state.workers.get(task.lease.worker);
  if (worker) sendStop(context, task, worker);
}
