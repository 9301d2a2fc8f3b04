/** Questions and orders. Orders are idempotent, so an unanswered one is simply asked again. */
import type { Reply } from '@gryphgen/protocol';
import { admit, type Context, fail, send } from './context.ts';
import type { RequestEvent } from './events.ts';
import type { Asked } from './state.ts';

/** Heartbeats after which an unanswered request is asked again in the same session: answers are quick or lost. */
const repeatHeartbeats = 4;

export function onRequest(context: Context, { ref, op, args }: RequestEvent): void {
  const { state, now } = context;
  const reached = state.asked.size >= state.bounds.requests ? 'requests' : undefined;
  if (!admit(context, ref, reached)) return;
  const id = state.nextRequest;
  state.nextRequest += 1;
  const asked = { ref, id, op, args, sentMono: now.mono };
  state.asked.set(id, asked);
  if (state.session !== null) ask(context, asked);
}

export function onReply(context: Context, { id, result, failure }: Reply): void {
  const asked = context.state.asked.get(id);
  if (asked === undefined) return;
  context.state.asked.delete(id);
  if (failure !== null) fail(context, asked.ref, failure);
  else context.effects.push({ kind: 'replied', ref: asked.ref, result });
}

/** All of them in a new session, else those that have waited long enough. */
export function repeatRequests(context: Context, inNewSession: boolean): void {
  const { state, now } = context;
  const sentBefore = now.mono - repeatHeartbeats * state.timers.heartbeatMs;
  for (const asked of state.asked.values()) {
    if (inNewSession || asked.sentMono <= sentBefore) ask(context, asked);
  }
}

function ask(context: Context, asked: Asked): void {
  asked.sentMono = context.now.mono;
  send(context, { kind: 'request', id: asked.id, op: asked.op, args: asked.args });
}
