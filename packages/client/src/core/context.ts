/** One step in the making: the state, the time, and the effects so far. */
import type { Failure } from '@gryphgen/protocol';
import type { Bound, ClientEffect } from './effects.ts';
import type { Now } from './events.ts';
import type { ClientState } from './state.ts';

export interface Context {
  readonly state: ClientState;
  readonly now: Now;
  readonly effects: ClientEffect[];
}

type Sendable = Extract<ClientEffect, { kind: 'send' }>['message'];

export function send(context: Context, message: Sendable): void {
  context.effects.push({ kind: 'send', message });
}

export function fail(context: Context, ref: number, failure: Failure): void {
  context.effects.push({ kind: 'failed', ref, failure });
}

/**
 * Whether a new wish can be taken. If not, its caller is told: by the refusal that ended this client, or by the bound
 * that is reached, and then again when there is room.
 */
export function admit(context: Context, ref: number, reached: Bound | undefined): boolean {
  const { state, effects } = context;
  if (state.refused !== null) {
    fail(context, ref, state.refused);
    return false;
  }
  if (reached === undefined) return true;
  state.wantsRoom = true;
  effects.push({ kind: 'full', ref, bound: reached });
  return false;
}
