/** One step in the making: the state, the time, and the effects so far. */
import type { Failure, SessionId, TaskId, WorkerId } from '@gryphgen/protocol';
import { failure, isEphemeral } from '@gryphgen/protocol';
import { changeView, release } from '@gryphgen/scheduler';
import type { BrokerEffect } from './effects.ts';
import type { Now } from './events.ts';
import { noteInstance } from './models/hosting.ts';
import { apply } from './record/apply.ts';
import { lookAgain } from './record/apply-workers.ts';
import type { Decision } from './record/decisions.ts';
import type { BrokerState, Task, Worker } from './state.ts';

export interface Context {
  readonly state: BrokerState;
  readonly now: Now;
  readonly effects: BrokerEffect[];
}

type Sendable = Extract<BrokerEffect, { kind: 'send' }>['message'];

/** Takes a decision: applies it and, unless it concerns an ephemeral task, has it journaled. */
export function decide(context: Context, decision: Decision, durable = true): void {
  if (durable) context.effects.push({ kind: 'record', decision });
  apply(context.state, context.state.epoch, decision);
}

export function send(context: Context, session: SessionId, message: Sendable, gated = true): void {
  context.effects.push({ kind: 'send', session, message, gated });
}

/** For what nobody waits for. */
export function mention(context: Context, session: SessionId, message: Sendable, gated: boolean): void {
  context.effects.push({ kind: 'send', session, message, gated, mayWait: true });
}

export function refuse(context: Context, session: SessionId, request: number, why: Failure): void {
  send(context, session, { kind: 'reply', id: request, result: null, failure: why }, false);
}

/** While the journal is stalled only questions are answered, and at once: from what is known, durable or not (E19). */
export function reply(context: Context, session: SessionId, request: number, result: unknown): void {
  const message = { kind: 'reply', id: request, result, failure: null } as const;
  send(context, session, message, !context.state.journalStalled);
}

export const journalStalled: Failure = failure(
  'unplaceable.journal',
  'the broker cannot write its journal now (the disk is full or too slow); try again later',
);

/**
 * Whether what concerns this task must wait for the end of a stall: it would be held back without bound. Of ephemeral
 * tasks nothing waits for the journal, ever (E18).
 */
export function mustWait(state: BrokerState, task: TaskId): boolean {
  return state.journalStalled && !isEphemeral(task);
}

/** What will be said again is not said in a stall; of an ephemeral task it is said at once (E18, E19). */
export function tell(context: Context, session: SessionId, task: TaskId, message: Sendable): void {
  if (!mustWait(context.state, task)) send(context, session, message, !isEphemeral(task));
}

/** Ends a session from the broker's side. */
export function closeSession(context: Context, session: SessionId, why: Failure): void {
  context.effects.push({ kind: 'close', session, failure: why });
  forgetSession(context.state, session);
}

/** A session is gone; what it was told of or ran stays as it is. */
export function forgetSession(state: BrokerState, id: SessionId): void {
  const session = state.sessions.get(id);
  if (session === undefined) return;
  state.sessions.delete(id);
  for (const task of session.watching) {
    const watchers = state.watchers.get(task);
    watchers?.delete(id);
    if (watchers?.size === 0) state.watchers.delete(task);
  }
  if (session.client !== null && state.clientSessions.get(session.client) === id) {
    state.clientSessions.delete(session.client);
    state.models.attended.left(session.client, state.watch);
    if (state.clients.has(session.client)) state.away.set(session.client, state.watch);
  }
  const worker = session.worker === null ? undefined : state.workers.get(session.worker);
  if (worker?.session === id) {
    worker.session = null;
    changeView(worker.view, { connected: false });
    lookAgain(state);
    worker.unsettled.clear();
    for (const task of worker.tasks) clearLeaseSeq(state.tasks.get(task));
  }
}

function clearLeaseSeq(task: Task | undefined): void {
  if (task?.lease) task.lease.leaseSeq = 0;
}

/**
 * Sends a lease, for the first time in the worker's present session or again under the same number (E9). In a stall it
 * is only noted: the first heartbeat after it has it sent.
 */
export function sendLease(context: Context, task: Task, worker: Worker): void {
  const lease = task.lease;
  if (lease === null || worker.session === null) return;
  if (lease.leaseSeq === 0) {
    lease.leaseSeq = worker.nextLeaseSeq;
    worker.nextLeaseSeq += 1;
  }
  const waits = mustWait(context.state, task.id);
  const sentAt = waits ? Number.NEGATIVE_INFINITY : context.state.watch;
  worker.unsettled.set(lease.leaseSeq, { task: task.id, attempt: task.attempt, sentAt });
  if (waits) return;
  const shard = context.state.collections.holdOf(task.spec.envelope.shard, worker.id, task.client === '');
  context.effects.push({
    kind: 'lease',
    session: worker.session,
    task,
    attempt: task.attempt,
    leaseSeq: lease.leaseSeq,
    floor: leaseFloor(worker),
    gated: !isEphemeral(task.id),
    ...(shard && { shard }),
  });
}

/** Whether its worker is to be told to end it, again and again until its result comes (E15, E17, E30). */
export function mustEnd({ cancelRequested, lease }: Task): boolean {
  return lease !== null && (cancelRequested || lease.drained || lease.preempted !== null);
}

/** For the drain of its worker, or to make room, unless it is cancelled as well. */
export function sendStop(context: Context, task: Task, worker: Worker): void {
  if (task.lease === null || worker.session === null) return;
  const { epoch, leaseSeq } = task.lease;
  const { id, attempt } = task;
  const reason = task.cancelRequested ? 'cancel' : 'drain';
  tell(context, worker.session, id, { kind: 'stop', task: id, attempt, epoch, leaseSeq, reason });
}

/** Its attempt has ended, if not yet durably: what it held is free (E14). */
export function setIdle(state: BrokerState, task: Task): void {
  const { lease } = task;
  if (lease === null || lease.idle) return;
  lease.idle = true;
  noteInstance(state, task);
  release((state.workers.get(lease.worker) as Worker).view.ledger, lease.reservation);
  state.waiting.capacityVersion += 1;
  state.wake = true;
}

/** All lease numbers below it are settled. */
function leaseFloor(worker: Worker): number {
  while (worker.leaseFloor < worker.nextLeaseSeq && !worker.unsettled.has(worker.leaseFloor))
    worker.leaseFloor += 1;
  return worker.leaseFloor;
}

export function workerOf(state: BrokerState, id: WorkerId | null): Worker | undefined {
  return id === null ? undefined : state.workers.get(id);
}

export function notFound(what: string): Failure {
  return failure('rejected.not-found', `no ${what} on this grid`);
}
