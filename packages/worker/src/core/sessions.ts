/**
 * Sessions with the broker, and the acknowledgements that arrive in them.
 *
 * 1. E2: composing a hello ends the older session at that moment; what still arrives in it changes nothing.
 * 2. E12: life is counted from when an acknowledged heartbeat (or the hello that was welcomed) was *sent*.
 */
import {
  type AttemptReport,
  attemptReportBytes,
  type Epoch,
  type HeartbeatAck,
  limits,
  type ResultAck,
  type Timers,
  type WorkerReport,
} from '@gryphgen/protocol';
import { type Context, forget } from './context.ts';
import type { Now } from './events.ts';
import { type Fence, keyOf } from './fence.ts';
import { beat } from './heartbeats.ts';
import { LeaseNumbers } from './lease-numbers.ts';
import { forgetTold } from './serving.ts';
import type { Attempt, LeaseFacts, Session, WorkerState } from './state.ts';
import { moveTo, noteTransition } from './transition.ts';

/** The part of a worker's hello that the core knows; the shell adds boot and journal head. */
export interface WorkerHello {
  readonly report: WorkerReport;
  readonly attempts: readonly AttemptReport[];
}

/** Call it when the hello is about to be sent: from now on nothing of an older session is listened to (E2). */
export function composeHello(state: WorkerState, now: Now): WorkerHello {
  state.session = null;
  state.hello = { monoMs: now.mono, listed: new Set(state.attempts.keys()) };
  return { report: state.report, attempts: [...state.attempts.values()].map(reportOf) };
}

/** Why no hello could list all of these, in words; null when one can. */
export function whyNotListed(found: readonly { readonly facts: LeaseFacts }[]): string | null {
  const bytes = found.reduce((sum, { facts }) => sum + attemptReportBytes(facts), 0);
  if (found.length <= limits.attemptsListed && bytes <= limits.heldBytes) return null;
  return `${found.length} attempts of an earlier life are here (${bytes} bytes in a hello), at most ${limits.attemptsListed} (${limits.heldBytes} bytes) can be told to the broker`;
}

function reportOf({ fence, facts, phase }: Attempt): AttemptReport {
  // One that is starting may run at any moment, one that is stopping still does: both hold their resources.
  const told = phase === 'starting' || phase === 'stopping' ? 'running' : phase;
  return { ...fence, phase: told, reservation: facts.reservation };
}

export function onSessionOpened(context: Context, id: string, epoch: Epoch, timers: Timers): void {
  const { state } = context;
  const { hello } = state;
  if (hello === null) throw new Error(`session ${id} opened without a hello`);
  state.session = {
    id,
    epoch,
    leases: new LeaseNumbers(),
    listed: hello.listed,
    heartbeatSeq: 0,
    heartbeatMono: Number.NEGATIVE_INFINITY,
    sentAt: new Map(),
  };
  state.timers = timers;
  alive(state, hello.monoMs);
  state.hello = null;
  // What was sent in an older session may be lost with it.
  for (const attempt of state.attempts.values()) attempt.resultSentMono = Number.NEGATIVE_INFINITY;
  forgetTold(state);
  beat(context, state.session);
}

export function onSessionClosed(context: Context): void {
  context.state.session = null;
}

export function onHeartbeatAck(context: Context, session: Session, ack: HeartbeatAck): void {
  const sent = session.sentAt.get(ack.seq);
  if (sent === undefined) return;
  alive(context.state, sent);
  for (const seq of session.sentAt.keys()) if (seq <= ack.seq) session.sentAt.delete(seq);
  context.effects.push({ kind: 'witness', head: ack.head });
}

function alive(state: WorkerState, sentMono: number): void {
  state.aliveMono = Math.max(state.aliveMono, sentMono);
  state.leaseLost = false;
}

/** E10: only now may container and bookkeeping go. */
export function onResultAck(context: Context, ack: ResultAck): void {
  const { state, now, effects } = context;
  const fence: Fence = { task: ack.task, attempt: ack.attempt, epoch: ack.epoch };
  const attempt = state.attempts.get(keyOf(fence));
  if (attempt === undefined) {
    noteTransition(state, fence, 'ack', 'none', now.mono);
  } else if (attempt.phase === 'ended') {
    moveTo(state, attempt, 'ack', 'none', now.mono);
    forget(context, attempt);
  } else {
    // Nothing was reported that could be acknowledged: the peer is confused, and we do not follow it.
    moveTo(state, attempt, 'ack', attempt.phase, now.mono);
    effects.push({ kind: 'note', note: { kind: 'staleAck', fence, phase: attempt.phase } });
  }
}
