/**
 * Ends attempts to make room for a task of a higher priority that fits nowhere, when that pays (E30).
 *
 * 1. Only attempts of tasks that may be ended so, of a lower priority than the other task's own, and not before they have run
 *    for `limits.unpreemptedMs`, twice as long after each time; a task is ended so `limits.preemptions` times at most.
 * 2. It pays when the time that the one has waited, by its part of the grid, and once more for each ten points of
 *    priority between them, is more than the time that the others have run, by theirs.
 * 3. One task at a time, one each second: the claims see to it that the room becomes its own.
 */
import { type Envelope, isEphemeral, limits } from '@gryphgen/protocol';
import { claimOn, lackNow, without } from '@gryphgen/scheduler';
import { type Context, decide, mustWait, sendStop } from '../context.ts';
import { quotaAgainst } from '../principals/quotas.ts';
import { classOwner, mayRunNoMore } from '../principals/shares.ts';
import { decided } from '../record/decisions.ts';
import type { BrokerState, Task, TaskLease, Worker } from '../state.ts';
import { chargedAs } from '../workers/charging.ts';
import { waitsSince } from './aging.ts';
import type { Claim } from './claims.ts';
import { fewest } from './fewest.ts';

const everyMs = 1000;
/** Ended for one task. */
const mostEnded = 16;
/** What was ended for it must have had time to end, and what is ended to be placed elsewhere, before it is looked at again. */
const againMs = 60_000;

interface Leased {
  readonly task: Task;
  readonly lease: TaskLease;
  readonly cost: number;
}

interface Way {
  readonly worker: Worker;
  readonly ended: readonly Leased[];
  readonly cost: number;
}

/** Who says nothing of it may be ended if its task may be tried again, and is no service. */
export function isPreemptible({ preemptible, retries, onLinkLost, restart }: Envelope): boolean {
  return preemptible ?? (retries.limit > 0 && onLinkLost === 'move' && restart === undefined);
}

/** With each tick, after the claims. */
export function preempt(context: Context): void {
  const { state } = context;
  if (state.claims.length === 0 || state.watch < state.preemptDue) return;
  state.preemptDue = state.watch + everyMs;
  for (const id of state.preemptedFor.keys()) if (!state.tasks.has(id)) state.preemptedFor.delete(id);
  for (const claim of state.claims) {
    const task = state.tasks.get(claim.task);
    if (task?.phase !== 'waiting' || mustWait(state, task.id)) continue;
    if (mayRunNoMore(state, task.principal) || quotaAgainst(state, task) !== undefined) continue;
    if (state.watch < (state.preemptedFor.get(task.id) ?? 0)) continue;
    const way = cheapest(state, claim, task, context.now.wall);
    if (way === undefined || way.cost >= worth(state, claim, task, way, context.now.wall)) continue;
    state.preemptedFor.set(task.id, state.watch + againMs);
    take(context, claim, way);
    return;
  }
}

function take(context: Context, claim: Claim, { worker, ended }: Way): void {
  const { state, now } = context;
  for (const { task } of ended) {
    const { id, attempt } = task;
    decide(context, [decided.preempted, id, attempt, claim.task, now.wall], !isEphemeral(id));
    sendStop(context, task, worker);
  }
  const task = state.tasks.get(claim.task) as Task;
  const reservation = claimOn(chargedAs(state, task.spec.envelope), worker.view) ?? claim.reservation;
  const moved = { ...claim, worker: worker.id, reservation };
  state.claims = state.claims.map((each) => (each === claim ? moved : each));
  state.waiting.capacityVersion += 1;
  state.wake = true;
}

/** What it would cost at most, in millionths of the grid times milliseconds. */
function worth(state: BrokerState, claim: Claim, task: Task, { ended }: Way, wall: number): number {
  const among = state.waiting.classOf(task.spec, task.id, classOwner(state, task.principal));
  const waited = wall - waitsSince(among, task);
  const until = Number.isFinite(claim.startsBy) ? Math.max(0, claim.startsBy - wall) : waited;
  const highest = Math.max(...ended.map((each) => each.task.spec.envelope.priority));
  const urgency = 1 + (task.spec.envelope.priority - highest) / 10;
  return Math.min(waited, until) * state.size.partOf(claim.reservation, state.views) * urgency;
}

function cheapest(state: BrokerState, claim: Claim, task: Task, wall: number): Way | undefined {
  const envelope = chargedAs(state, task.spec.envelope);
  let best: Way | undefined;
  for (const worker of state.workers.values()) {
    if (state.claims.some((other) => other !== claim && other.worker === worker.id)) continue;
    if (worker.session === null || claimOn(envelope, worker.view) === undefined) continue;
    const way = wayOn(state, worker, envelope, wall);
    if (way !== undefined && (best === undefined || way.cost < best.cost)) best = way;
  }
  return best;
}

/** The least costly first, until there is enough; then without those that are not needed after all. */
function wayOn(state: BrokerState, worker: Worker, envelope: Envelope, wall: number): Way | undefined {
  const fits = (ended: readonly Leased[]): boolean =>
    lackNow(
      envelope,
      without(
        worker.view,
        ended.map(({ lease }) => lease.reservation),
      ),
    ) === 0;
  const mayEnd = endable(state, worker, envelope.priority, wall);
  const ended = mayEnd.length === 0 ? undefined : fewest(mayEnd, fits);
  if (ended === undefined || ended.length === 0 || ended.length > mostEnded) return undefined;
  return { worker, ended, cost: ended.reduce((sum, { cost }) => sum + cost, 0) };
}

/** The least costly first. */
function endable(state: BrokerState, worker: Worker, priority: number, wall: number): Leased[] {
  const found: Leased[] = [];
  for (const id of worker.tasks) {
    const task = state.tasks.get(id);
    if (!task?.lease || mustWait(state, id)) continue;
    const { lease, preemptions, cancelRequested } = task;
    const { envelope } = task.spec;
    if (envelope.priority >= priority || !isPreemptible(envelope) || preemptions >= limits.preemptions)
      continue;
    if (lease.idle || lease.drained || lease.preempted !== null || cancelRequested) continue;
    const ranMs = lease.startedAt === 0 ? 0 : wall - lease.startedAt;
    if (ranMs < limits.unpreemptedMs * 2 ** preemptions) continue;
    found.push({ task, lease, cost: ranMs * Math.max(1, lease.part) });
  }
  return found.sort((a, b) => a.cost - b.cost || a.task.id - b.task.id);
}
