/**
 * What must hold of the state after every step (design.md, invariants 2, 4, 6, 7). The simulator asks after each step,
 * `grid fsck` on a live or replayed state. Returns what is wrong, in words; an empty list is the good answer.
 */
import type { PrincipalId, Reservation } from '@gryphgen/protocol';
import { limits } from '@gryphgen/protocol';
import { emptyLedger, oversubscription, reserve } from '@gryphgen/scheduler';
import { hostsOf } from './models/hosting.ts';
import { addHeld, nothingHeld } from './principals/held.ts';
import type { Share } from './principals/shares.ts';
import type { BrokerState, Task, Worker } from './state.ts';

export function brokenInvariants(state: BrokerState): string[] {
  const wrong: string[] = [];
  let queued = 0;
  for (const task of state.tasks.values()) {
    wrong.push(...taskWrongs(state, task));
    if (task.phase === 'waiting' && task.notBefore === 0) queued += 1;
  }
  if (queued !== state.waiting.size)
    wrong.push(`${queued} tasks wait, the queue counts ${state.waiting.size}`);
  for (const task of state.ended.values()) {
    if (task.phase !== 'ended' || task.outcome === null)
      wrong.push(`t${task.id} is among the ended but ${task.phase}`);
    if (task.lease !== null) wrong.push(`t${task.id} ended and still holds a lease`);
  }
  wrong.push(...shareWrongs(state), ...givenWrongs(state));
  for (const worker of state.workers.values()) wrong.push(...workerWrongs(state, worker));
  wrong.push(...hostingWrongs(state));
  wrong.push(...boundWrongs(state));
  return wrong;
}

function taskWrongs(state: BrokerState, task: Task): string[] {
  const wrong: string[] = [];
  const leased = task.phase === 'leased' || task.phase === 'running';
  if (leased !== (task.lease !== null))
    wrong.push(`t${task.id} is ${task.phase} with${task.lease ? '' : 'out'} a lease`);
  if (task.phase === 'ended' || task.outcome !== null) wrong.push(`t${task.id} ended but is among the live`);
  if (task.lease && !state.workers.get(task.lease.worker)?.tasks.has(task.id)) {
    wrong.push(`t${task.id} is leased to ${task.lease.worker}, which does not have it`);
  }
  if (task.lease && task.lease.epoch > state.epoch) wrong.push(`t${task.id} is leased in a later epoch`);
  return wrong;
}

/** Each principal's share is what its tasks make. */
function shareWrongs({ tasks, shares }: BrokerState): string[] {
  const made = new Map<
    PrincipalId,
    { tasks: number; running: number; bodiesBytes: number; held: Share['held'] }
  >();
  for (const { principal, lease, bodyBytes } of tasks.values()) {
    const sum = made.get(principal) ?? { tasks: 0, running: 0, bodiesBytes: 0, held: { ...nothingHeld } };
    made.set(principal, sum);
    sum.tasks += 1;
    if (lease !== null) {
      sum.running += 1;
      addHeld(sum.held, lease.reservation, 1);
    }
    sum.bodiesBytes += bodyBytes;
  }
  const wrong: string[] = [];
  for (const principal of new Set([...made.keys(), ...shares.keys()])) {
    const share = shares.get(principal);
    const has = share && wordsOf({ ...share, tasks: share.tasks.size });
    const should = wordsOf(made.get(principal));
    if (has !== should) wrong.push(`the share of ${principal} is ${has}, its tasks make ${should}`);
    const strange = [...(share?.tasks ?? [])].find((id) => tasks.get(id)?.principal !== principal);
    if (strange !== undefined) wrong.push(`the share of ${principal} names t${strange}, which is not its`);
  }
  return wrong;
}

/** What is given is what the live tasks' specs say: what is missing here would be collected while it is needed. */
function givenWrongs({ tasks, given }: BrokerState): string[] {
  const made = new Map<string, number>();
  for (const spec of new Set([...tasks.values()].map((task) => task.spec)))
    for (const { digest } of spec.envelope.inputs ?? []) made.set(digest, (made.get(digest) ?? 0) + 1);
  return [...new Set([...made.keys(), ...given.keys()])]
    .filter((digest) => made.get(digest) !== given.get(digest))
    .map(
      (digest) =>
        `${digest} counts as given ${given.get(digest) ?? 0} times, and is ${made.get(digest) ?? 0}`,
    );
}

function wordsOf(share?: Pick<Share, 'running' | 'bodiesBytes' | 'held'> & { readonly tasks: number }) {
  if (share === undefined) return undefined;
  const { tasks, running, bodiesBytes, held } = share;
  return `${tasks} tasks, ${running} placed, ${bodiesBytes} bytes, holding ${Object.values(held).join(', ')}`;
}

function workerWrongs(state: BrokerState, worker: Worker): string[] {
  const wrong: string[] = [];
  const held: Reservation[] = [...worker.ghosts.values()].map(({ reservation }) => reservation);
  for (const id of worker.tasks) {
    const lease = state.tasks.get(id)?.lease;
    if (!lease || lease.worker !== worker.id)
      wrong.push(`${worker.id} has t${id}, which is not leased to it`);
    else if (!lease.idle) held.push(lease.reservation);
  }
  const expected = emptyLedger();
  for (const reservation of held) reserve(expected, reservation);
  const { ledger } = worker.view;
  for (const field of ['cpuMilli', 'memoryBytes', 'diskBytes', 'attempts'] as const) {
    if (ledger[field] !== expected[field]) {
      wrong.push(`${worker.id} ledger ${field} is ${ledger[field]}, its attempts hold ${expected[field]}`);
    }
  }
  for (const model of new Set([...ledger.asking.keys(), ...expected.asking.keys()])) {
    const [has, should] = [ledger.asking.get(model), expected.asking.get(model)];
    if (has !== should)
      wrong.push(`${worker.id} ledger of ${model} has ${has} requests, its attempts are ${should}`);
  }
  for (const uuid of new Set([...ledger.devices.keys(), ...expected.devices.keys()])) {
    const [has, should] = [
      ledger.devices.get(uuid)?.vramBytes ?? 0,
      expected.devices.get(uuid)?.vramBytes ?? 0,
    ];
    if (has !== should)
      wrong.push(`${worker.id} ledger of ${uuid} is ${has} bytes, its attempts hold ${should}`);
  }
  const over =
    worker.view.report === null || hasGrown(state, worker)
      ? undefined
      : oversubscription(ledger, worker.view.report);
  if (over !== undefined) wrong.push(`${worker.id} is oversubscribed: ${over}`);
  for (const [seq, { task, attempt }] of worker.unsettled) {
    const named = state.tasks.get(task);
    if (named?.lease?.leaseSeq !== seq || named.attempt !== attempt) {
      wrong.push(`${worker.id} lease number ${seq} is unsettled, but t${task} does not hold it`);
    }
  }
  return wrong;
}

/** One that was measured, and took more later, may be where others were given what it had left. */
function hasGrown({ tasks }: BrokerState, worker: Worker): boolean {
  return [...worker.tasks].some((id) => tasks.get(id)?.lease?.planned != null);
}

/** What placement goes by of instances is what their tasks make. */
function hostingWrongs(state: BrokerState): string[] {
  const noted = [...state.workers.values()].flatMap(({ view }) => [...view.models.keys()]);
  const wrong: string[] = [];
  for (const name of new Set([...noted, ...state.models.names()])) {
    const hosts = hostsOf(state, name);
    for (const { id, view } of state.workers.values()) {
      const [has, should] = [view.models.get(name), hosts.get(id)].map((one) => JSON.stringify(one));
      if (has !== should) wrong.push(`${id} hosts ${name} as ${has}, its instances make ${should}`);
    }
  }
  return wrong;
}

function boundWrongs(state: BrokerState): string[] {
  const bounds: readonly [string, number, number][] = [
    ['unfinished tasks', state.tasks.size, limits.waitingTasks],
    ['ended tasks', state.ended.size, limits.finishedTasks],
    ['keys', state.keys.size, limits.keys],
    ['clients', state.clients.size, limits.clients],
    ['sessions', state.sessions.size, limits.sessions],
    ['workers', state.workers.size, limits.workers],
  ];
  const wrong = bounds
    .filter(([, size, limit]) => size > limit)
    .map(([what, size, limit]) => `${size} ${what}, limit ${limit}`);
  if (state.away.size > state.clients.size) wrong.push(`${state.away.size} clients are away`);
  for (const [client, window] of state.clients) {
    if (state.away.has(client) === state.clientSessions.has(client))
      wrong.push(`${client} is ${state.away.has(client) ? '' : 'not '}away`);
    if (window.tasks.size > limits.clientOutstanding)
      wrong.push(`${client} has ${window.tasks.size} submissions kept`);
  }
  return wrong;
}
