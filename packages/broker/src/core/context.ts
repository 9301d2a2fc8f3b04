/** One step in the making: the state, the time, and the effects so far. */
import type { Failure, SessionId, WorkerId } from '@gryphgen/protocol';
import { failure } from '@gryphgen/protocol';
import { apply } from './apply.ts';
import type { Decision } from './decisions.ts';
import type { BrokerEffect } from './effects.ts';
import type { Now } from './events.ts';
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

export function refuse(context: Context, session: SessionId, request: number, why: Failure): void {
  send(context, session, { kind: 'reply', id: request, result: null, failure: why }, false);
}

export function reply(context: Context, session: SessionId, request: number, result: unknown): void {
  send(context, session, { kind: 'reply', id: request, result, failure: null });
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
    if (state.clients.has(session.client)) state.away.set(session.client, state.watch);
  }
  const worker = session.worker === null ? undefined : state.workers.get(session.worker);
  if (worker?.session === id) {
    worker.session = null;
    worker.view.connected = false;
    worker.unsettled.clear();
    for (const task of worker.tasks) clearLeaseSeq(state.tasks.get(task));
  }
}

function clearLeaseSeq(task: Task | undefined): void {
  if (task?.lease) task.lease.leaseSeq = 0;
}

/** Sends a lease, for the first time in the worker's present session or again under the same number (E9). */
export function sendLease(context: Context, task: Task, worker: Worker, held = false): void {
  const lease = task.lease;
  if (lease === null || worker.session === null) return;
  if (lease.leaseSeq === 0) {
    lease.leaseSeq = worker.nextLeaseSeq;
    worker.nextLeaseSeq += 1;
  }
  const { watch } = context.state;
  worker.unsettled.set(lease.leaseSeq, { task: task.id, attempt: task.attempt, sentAt: watch, held });
  context.effects.push({
    kind: 'lease',
    session: worker.session,
    task,
    attempt: task.attempt,
    leaseSeq: lease.leaseSeq,
    floor: leaseFloor(worker),
    gated: true,
  });
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
