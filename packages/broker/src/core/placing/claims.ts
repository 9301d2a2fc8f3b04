/**
 * Room that is kept for those first in order that fit nowhere now, so that what asks for much does not wait for ever behind
 * a stream of what asks for less. An observation: it is made anew every second and in each epoch.
 *
 * 1. Kept for a task of a class of which none was placed for `limits.claimAfterMs`, on a worker that could take it once enough
 *    of what runs there has ended; at most one claim on a worker, at most `mostClaims`.
 * 2. Who asks for a task of a higher priority than the claimed one's, as it has risen, need not heed it. Nor who
 *    has certainly ended by the time at which the claimed one can begin.
 */
import { limits, type Reservation, type TaskId, type WorkerId } from '@gryphgen/protocol';
import {
  beside,
  claimOn,
  lackNow,
  mayFit,
  place,
  type Shape,
  type WorkerView,
  without,
} from '@gryphgen/scheduler';
import type { Context } from '../context.ts';
import { quotaAgainst } from '../principals/quotas.ts';
import { mayRunNoMore, standingsOf } from '../principals/shares.ts';
import type { BrokerState, Task, Worker } from '../state.ts';
import { chargedAs } from '../workers/charging.ts';
import { agedPriority, waitsSince } from './aging.ts';
import { endsBy, longestMs } from './run-bounds.ts';
import { type Candidate, dueAt, TurnOrder } from './turn-order.ts';

export interface Claim {
  readonly task: TaskId;
  readonly worker: WorkerId;
  readonly reservation: Reservation;
  /** As it had risen when the claim was looked at last. */
  readonly priority: number;
  /** Wall ms by which enough of what runs there has ended; Infinity where nobody knows. */
  readonly startsBy: number;
}

const mostClaims = 4;
const everyMs = 1000;
/** Of those that wait in vain. */
const mostLookedAt = 64;
/** Looks at a worker that a search may take, each second; a class that none could take is searched for again after a while. */
const looksEach = 20_000;
const searchAgainMs = 60_000;

/** With each tick. */
export function keepRoom(context: Context): void {
  const { state, now } = context;
  if (state.watch < state.claimsDue) return;
  state.claimsDue = state.watch + everyMs;
  const claims = state.waiting.size === 0 ? [] : claimsNow(state, now.wall);
  if (isSame(claims, state.claims)) return;
  state.claims = claims;
  state.waiting.capacityVersion += 1;
  state.wake = true;
}

/** Of a task that needs its room kept no more. */
export function dropClaim(state: BrokerState, task: TaskId): void {
  if (!state.claims.some((claim) => claim.task === task)) return;
  state.claims = state.claims.filter((claim) => claim.task !== task);
  state.waiting.capacityVersion += 1;
  state.wake = true;
}

/** The workers as this task may use them. `claims`: those that hold. */
export function viewsFor(
  { views, claims }: Pick<BrokerState, 'views' | 'claims'>,
  { id, spec }: Task,
  wall: number,
): readonly WorkerView[] {
  if (claims.length === 0) return views;
  const { envelope } = spec;
  const end = wall + longestMs(envelope);
  const heeded = claims.filter(
    ({ task, priority, startsBy }) =>
      task !== id && envelope.priority <= priority && !(Number.isFinite(end) && end <= startsBy),
  );
  if (heeded.length === 0) return views;
  return views.map((view) => {
    const claim = heeded.find(({ worker }) => worker === view.id);
    return claim === undefined ? view : beside(view, claim.reservation);
  });
}

function claimsNow(state: BrokerState, wall: number): Claim[] {
  const order = new TurnOrder(standingsOf(state, wall), starving(state, wall));
  const room = state.room.now();
  const claims: Claim[] = [];
  let looks = looksEach;
  for (let at = 0; at < mostLookedAt && claims.length < mostClaims; at += 1) {
    const next = order.pop();
    if (next === undefined) break;
    const { from, task, priority } = next;
    const envelope = chargedAs(state, task.spec.envelope);
    const mayUse = viewsFor({ views: state.views, claims }, task, wall);
    if (room !== undefined && mayFit(envelope.resources, room) && place(envelope, mayUse).kind === 'placed')
      continue;
    const known = state.claims.find((claim) => claim.task === task.id)?.worker;
    const kept = known === undefined ? undefined : claimAt(state, claims, envelope, known, wall);
    const maySearch = kept === undefined && looks > 0 && state.watch >= from.searchAgainAt;
    if (maySearch) looks -= state.views.length;
    const found = maySearch ? search(state, claims, envelope, wall) : kept;
    if (found !== undefined) claims.push({ task: task.id, priority, ...found });
    else if (maySearch) from.searchAgainAt = state.watch + searchAgainMs;
  }
  return claims;
}

/** The first of each class that waits in vain. */
function starving(state: BrokerState, wall: number): Candidate[] {
  const found: Candidate[] = [];
  for (const from of state.waiting.classes()) {
    const task = state.tasks.get(state.waiting.first(from) as TaskId) as Task;
    if (wall - waitsSince(from, task) < limits.claimAfterMs) continue;
    if (mayRunNoMore(state, from.owner) || quotaAgainst(state, task) !== undefined) continue;
    found.push({ from, task, priority: agedPriority(from, task, wall), dueAt: dueAt(state, task) });
  }
  return found;
}

type Found = Pick<Claim, 'worker' | 'reservation' | 'startsBy'>;

function claimAt(
  state: BrokerState,
  claims: readonly Claim[],
  shape: Shape,
  id: WorkerId,
  wall: number,
): Found | undefined {
  const worker = state.workers.get(id);
  if (worker === undefined || claims.some((claim) => claim.worker === id)) return undefined;
  const reservation = claimOn(shape, worker.view);
  return reservation && { worker: id, reservation, startsBy: startsBy(state, shape, worker, wall) };
}

/** Where it can begin first; where nobody knows when, where the least is missing. */
function search(state: BrokerState, claims: readonly Claim[], shape: Shape, wall: number): Found | undefined {
  let best: (Found & { readonly lack: number }) | undefined;
  for (const { id, view } of state.workers.values()) {
    const found = claimAt(state, claims, shape, id, wall);
    if (found === undefined) continue;
    const lack = lackNow(shape, view);
    if (best !== undefined && found.startsBy > best.startsBy) continue;
    if (best !== undefined && found.startsBy === best.startsBy && lack >= best.lack) continue;
    best = { ...found, lack };
  }
  if (best === undefined) return undefined;
  const { worker, reservation, startsBy } = best;
  return { worker, reservation, startsBy };
}

/** When enough of what runs there has ended, first what ends first. */
function startsBy(state: BrokerState, shape: Shape, { view, tasks }: Worker, wall: number): number {
  const running = [...tasks]
    .map((id) => state.tasks.get(id) as Task)
    .filter(({ lease }) => lease !== null && !lease.idle)
    .map((task) => ({ task, end: endsBy(task, wall) }))
    .filter(({ end }) => end < Number.POSITIVE_INFINITY)
    .sort((a, b) => a.end - b.end);
  const ended: Reservation[] = [];
  for (const { task, end } of running) {
    if (task.lease !== null) ended.push(task.lease.reservation);
    if (lackNow(shape, without(view, ended)) === 0) return end;
  }
  return Number.POSITIVE_INFINITY;
}

function isSame(a: readonly Claim[], b: readonly Claim[]): boolean {
  return JSON.stringify(a) === JSON.stringify(b);
}
