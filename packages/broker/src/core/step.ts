/**
 * The broker's whole behaviour: one event in, the state changed, effects out. Synchronous and deterministic.
 *
 * 1. Nothing takes effect for a session that is not open, or whose role does not allow it (invariant 8).
 * 2. Any message of a session is a sign of life of its worker.
 */
import type { ClientId } from '@gryphgen/protocol';
import { onCopyPrepared } from './collections/carrying.ts';
import type { Context } from './context.ts';
import { decide, forgetSession, workerOf } from './context.ts';
import type { BrokerEffect } from './effects.ts';
import type { BrokerEvent, Now, PassedMessage } from './events.ts';
import { onInstancePrepared } from './models/beginning-instances.ts';
import { lookAfterDue } from './models/instances.ts';
import { recallLoans } from './models/loans.ts';
import { onResult, onStarted } from './outcomes.ts';
import { advanceWatch, onTick } from './passing-time.ts';
import { onPolicyJudged } from './placing/policy-orders.ts';
import { schedule } from './placing/scheduling.ts';
import { passes } from './principals/gate.ts';
import { decided } from './record/decisions.ts';
import { onRequest } from './requests.ts';
import type { BrokerState, Session } from './state.ts';
import { onSubmit } from './submitting.ts';
import { onWatch } from './watching.ts';
import { onKeyRevoked } from './workers/node-orders.ts';
import { onServed } from './workers/serving.ts';
import { onBodyMissing, onReport, onWorkerHeartbeat, onWorkerHello } from './workers/workers.ts';

export function step(state: BrokerState, event: BrokerEvent, now: Now): BrokerEffect[] {
  advanceWatch(state, now.mono);
  const context: Context = { state, now, effects: [] };
  switch (event.kind) {
    case 'submit': {
      const session = state.sessions.get(event.session);
      if (session !== undefined && passes(context, session, event)) onSubmit(context, session, event);
      context.effects.push({ kind: 'answered', session: event.session });
      break;
    }
    case 'message': {
      const session = state.sessions.get(event.session);
      if (session !== undefined && passes(context, session, event.message))
        onMessage(context, session, event.message);
      if (event.message.kind !== 'heartbeat')
        context.effects.push({ kind: 'answered', session: event.session });
      break;
    }
    case 'sessionOpened':
      onOpened(context, event);
      break;
    case 'sessionClosed':
      onClosed(context, event);
      break;
    case 'schedule':
      schedule(context);
      recallLoans(context);
      lookAfterDue(context);
      break;
    case 'instancePrepared':
      onInstancePrepared(context, event);
      break;
    case 'copyPrepared':
      onCopyPrepared(context, event);
      break;
    case 'keyRevoked':
      onKeyRevoked(context, event);
      break;
    case 'policyJudged':
      onPolicyJudged(context, event);
      break;
    case 'bodyMissing':
      onBodyMissing(context, event);
      break;
    case 'audited':
      // One that is not written now is followed by the next.
      if (!state.journalStalled)
        decide(context, [decided.keysForgotten, [], now.wall, [event.seq, event.digest]]);
      break;
    case 'tick':
      onTick(context);
      break;
    case 'journalStalled':
      state.journalStalled = event.stalled;
      break;
    default:
      event satisfies never;
  }
  return context.effects;
}

function onOpened(context: Context, event: Extract<BrokerEvent, { kind: 'sessionOpened' }>): void {
  const { state } = context;
  const { session: id, principal, role, worker, peer } = event;
  // A client's name counts within its principal: nobody takes another's submissions by naming them.
  const client = peer.kind === 'client' ? (`${principal} ${peer.client}` as ClientId) : null;
  if (client !== null) {
    const older = state.clientSessions.get(client);
    if (older !== undefined) forgetSession(state, older);
    state.clientSessions.set(client, id);
    state.away.delete(client);
    state.models.attended.returned(client);
  }
  state.sessions.set(id, {
    id,
    principal,
    role,
    worker,
    client,
    watching: new Set(),
    refused: new Map(),
    orders: new Map(),
    heartbeatSeq: 0,
  });
  if (peer.kind === 'worker' && worker !== null) onWorkerHello(context, id, worker, peer);
}

/** A client that said goodbye, or has all its answers, repeats nothing: its window has no use any more (E5). */
function onClosed(
  context: Context,
  { session, bye = false }: Extract<BrokerEvent, { kind: 'sessionClosed' }>,
): void {
  const { state } = context;
  const client = state.sessions.get(session)?.client ?? null;
  forgetSession(state, session);
  if (client === null || !state.away.has(client)) return;
  if (bye || state.clients.get(client)?.tasks.size === 0)
    decide(context, [decided.clientsForgotten, [client], context.now.wall]);
}

function onMessage(context: Context, session: Session, message: PassedMessage): void {
  const worker = workerOf(context.state, session.worker);
  if (worker !== undefined) worker.heardAt = context.state.watch;
  switch (message.kind) {
    case 'heartbeat':
      if (message.seq <= session.heartbeatSeq) return;
      session.heartbeatSeq = message.seq;
      if (worker !== undefined) onWorkerHeartbeat(context, worker, message);
      context.effects.push({ kind: 'heartbeatAck', session: session.id, seq: message.seq });
      return;
    case 'started':
      if (worker !== undefined) onStarted(context, worker, message);
      return;
    case 'served':
      if (worker !== undefined) onServed(context, worker, message);
      return;
    case 'result':
      if (worker !== undefined) onResult(context, worker, session.id, message);
      return;
    case 'report':
      if (worker !== undefined) onReport(context, worker, message);
      return;
    case 'watch':
      onWatch(context, session, message);
      return;
    case 'request':
      onRequest(context, session, message);
      return;
    default:
      message satisfies never;
  }
}
