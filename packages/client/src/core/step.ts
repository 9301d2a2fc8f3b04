/**
 * The client as a function: one event in, effects out. Deterministic: the same state, event and time give the same
 * effects in the same order.
 *
 * 1. Whatever was asked is answered exactly once, by `accepted` and then `finished`, `finished`, `replied`, `failed` or
 *    `full`; until then it survives any number of sessions.
 * 2. Nothing of an older session is listened to (E2).
 *
 * Rules of docs/internals/exchanges.md kept here: E2, E4, E5, E7.
 */
import type { Failure, PeerHello, ToClient } from '@gryphgen/protocol';
import { onChanged, onFinished, onWatch, repeatWatches } from './awaiting.ts';
import { type Context, fail, send } from './context.ts';
import type { ClientEffect } from './effects.ts';
import type { ClientEvent, Now } from './events.ts';
import { onReply, onRequest, repeatRequests } from './requesting.ts';
import type { ClientState, Session } from './state.ts';
import { onAccepted, onRefused, onSubmit, repeatSubmissions } from './submitting.ts';

/** Call it when the hello is about to be sent: from now on nothing of an older session is listened to (E2). */
export function composeClientHello(state: ClientState): Extract<PeerHello, { kind: 'client' }> {
  state.session = null;
  return { kind: 'client', client: state.client };
}

export function stepClient(state: ClientState, event: ClientEvent, now: Now): ClientEffect[] {
  const context: Context = { state, now, effects: [] };
  switch (event.kind) {
    case 'submit':
      onSubmit(context, event);
      break;
    case 'message':
      if (state.session?.id === event.session) onMessage(context, event.message); // E2
      break;
    case 'watch':
      onWatch(context, event);
      break;
    case 'request':
      onRequest(context, event);
      break;
    case 'forget':
      forget(state, event.ref);
      break;
    case 'wantRoom':
      state.wantsRoom = true;
      break;
    case 'tick':
      onTick(context);
      break;
    case 'sessionOpened':
      state.timers = event.timers;
      state.session = { id: event.session, heartbeatSeq: 0, heartbeatMono: now.mono };
      beat(context, state.session);
      repeat(context, true);
      break;
    case 'sessionClosed':
      state.session = null;
      break;
    case 'refused':
      failAll(context, event.failure);
      break;
    default:
      event satisfies never;
  }
  if (state.wantsRoom && hasRoom(state)) {
    state.wantsRoom = false;
    context.effects.push({ kind: 'room' });
  }
  return context.effects;
}

function onMessage(context: Context, message: ToClient): void {
  switch (message.kind) {
    case 'accepted':
      onAccepted(context, message);
      break;
    case 'finished':
      onFinished(context, message);
      break;
    case 'refused':
      onRefused(context, message);
      break;
    case 'changed':
      onChanged(context, message);
      break;
    case 'reply':
      onReply(context, message);
      break;
    case 'bye':
      context.state.session = null;
      break;
    case 'heartbeatAck': // the link watches for silence
    case 'voucher': // the link's
    case 'credit': // the link's
      break;
    default:
      message satisfies never;
  }
}

function onTick(context: Context): void {
  const { session, timers } = context.state;
  if (session === null || context.now.mono - session.heartbeatMono < timers.heartbeatMs) return;
  beat(context, session);
  repeat(context, false);
}

function beat(context: Context, session: Session): void {
  session.heartbeatSeq += 1;
  session.heartbeatMono = context.now.mono;
  send(context, { kind: 'heartbeat', seq: session.heartbeatSeq, attempts: [] });
}

function repeat(context: Context, inNewSession: boolean): void {
  repeatSubmissions(context, inNewSession);
  repeatWatches(context, inNewSession);
  repeatRequests(context, inNewSession);
}

/** Rare (a caller gave up), so a search is cheap enough. A submission itself is still repeated until answered. */
function forget(state: ClientState, ref: number): void {
  for (const submission of state.submissions.values())
    if (submission.ref === ref) submission.forgotten = true;
  for (const [id, asked] of state.asked) if (asked.ref === ref) state.asked.delete(id);
  for (const [task, awaited] of state.awaited) {
    if (!awaited.refs.includes(ref)) continue;
    awaited.refs = awaited.refs.filter((other) => other !== ref);
    awaited.progress = awaited.progress.filter((other) => other !== ref);
    if (awaited.refs.length === 0) state.awaited.delete(task);
  }
}

function failAll(context: Context, failure: Failure): void {
  const { state } = context;
  state.refused = failure;
  state.session = null;
  for (const { ref } of state.submissions.values()) fail(context, ref, failure);
  for (const { refs } of state.awaited.values()) for (const ref of refs) fail(context, ref, failure);
  for (const { ref } of state.asked.values()) fail(context, ref, failure);
  state.submissions.clear();
  state.awaited.clear();
  state.asked.clear();
  state.floor = state.nextSeq;
}

/** Of a client that is of no use any more, there is no use in waiting. */
function hasRoom({ refused, nextSeq, floor, submissions, awaited, asked, bounds }: ClientState): boolean {
  if (refused !== null) return true;
  return (
    nextSeq - floor < bounds.outstanding &&
    submissions.size + awaited.size < bounds.awaited &&
    asked.size < bounds.requests
  );
}
