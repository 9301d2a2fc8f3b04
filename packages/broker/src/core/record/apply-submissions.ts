/** What is kept of submissions (E5) and of idempotency keys (E6): the part of `apply.ts` that knows nothing of attempts. */
import { takeLessons } from '../models/untold-lessons.ts';
import type { BrokerState, SubmissionWindow, Task } from '../state.ts';
import type { Decision, decided } from './decisions.ts';

export function keepKey(state: BrokerState, task: Task, key: string): void {
  const { id, spec, body, principal, submittedAt } = task;
  state.keys.set(keyName(principal, key), { task: id, spec: specName(spec.hash, body), at: submittedAt });
}

export function keyName(principal: string, key: string): string {
  return `${principal} ${key}`;
}

export function specName(envelopeHash: string, bodyHash: string): string {
  return `${envelopeHash}.${bodyHash}`;
}

/** And takes what else stands in such a decision, so that earlier versions read on. */
export function forgetKeys(
  state: BrokerState,
  [, keys, , audited, taught]: Extract<Decision, readonly [typeof decided.keysForgotten, ...unknown[]]>,
): void {
  for (const key of keys) state.keys.delete(key);
  if (audited !== undefined) state.audited = { seq: audited[0], digest: audited[1] };
  if (taught !== undefined) takeLessons(state, taught);
}

export function forgetClients({ clients, away }: BrokerState, gone: readonly Task['client'][]): void {
  for (const client of gone) {
    clients.delete(client);
    away.delete(client);
  }
}

export function windowOf(state: BrokerState, client: Task['client']): SubmissionWindow {
  let window = state.clients.get(client);
  if (window === undefined) {
    window = { floor: 1, tasks: new Map() };
    state.clients.set(client, window);
    if (!state.clientSessions.has(client)) state.away.set(client, state.watch);
  }
  return window;
}

/** Forgets submissions below `floor`: the client has their answers (E5). */
export function raiseFloor(window: SubmissionWindow, floor: number): void {
  if (floor <= window.floor) return;
  if (floor - window.floor > window.tasks.size) {
    for (const seq of window.tasks.keys()) if (seq < floor) window.tasks.delete(seq);
  } else {
    for (let seq = window.floor; seq < floor; seq += 1) window.tasks.delete(seq);
  }
  window.floor = floor;
}
