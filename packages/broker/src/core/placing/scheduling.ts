/**
 * Gives waiting tasks to workers, once a turn: the first of each class in their order (turn-order.ts), so that no long line
 * of one class keeps another waiting. A class that finds no place rests until capacity changes; room is kept for the first
 * that wait long (claims.ts). Classes of a principal that has as many tasks placed as it may are passed over, and those
 * that its quota does not allow.
 */
import { type Envelope, isEphemeral, type PrincipalId } from '@gryphgen/protocol';
import {
  explain,
  type FinishPlan,
  mayFit,
  type Placement,
  place,
  shapeKey,
  type WorkerView,
} from '@gryphgen/scheduler';
import type { Context } from '../context.ts';
import { decide, sendLease } from '../context.ts';
import { noteFetches } from '../learning.ts';
import { answerWords } from '../models/foreseen-answers.ts';
import { explainedPrefix, nearPrefix, notePrefix } from '../models/near-prefix.ts';
import { tellChanged } from '../outcomes.ts';
import { placedWithin, quotaAgainst } from '../principals/quotas.ts';
import { mayRunNoMore, standingOf, standingsOf } from '../principals/shares.ts';
import { decided } from '../record/decisions.ts';
import type { BrokerState, PlacementNote, Task, TaskLease, Worker } from '../state.ts';
import { chargedAs } from '../workers/charging.ts';
import { agedPriority } from './aging.ts';
import { aboutMs, choiceStands, foretoldOf, planFor } from './choosing.ts';
import { dropClaim, viewsFor } from './claims.ts';
import { outlooksOf, withCharge } from './explaining.ts';
import { type Candidate, dueAt, TurnOrder } from './turn-order.ts';
import type { WaitingClass } from './waiting-queue.ts';

/** Placements tried in one turn; the rest follow in the next, after the sockets were served. */
const triesPerTurn = 2048;
/** Looks at a worker that they may take together: some 10 ms, on a grid however large. */
const looksPerTurn = 50_000;
/** Candidates looked through in the time that a try takes. */
const sievedPerTry = 64;

export function schedule(context: Context): void {
  const { state, now } = context;
  state.wake = false;
  state.choosing = false;
  state.planner.begin();
  if (state.waiting.size === 0) return;
  const most = Math.min(triesPerTurn, Math.ceil(looksPerTurn / (state.views.length + 1)));
  const standings = new Map<PrincipalId, number>();
  const of = (principal: PrincipalId): number => {
    let standing = standings.get(principal);
    if (standing === undefined) {
      standing = standingOf(state, principal, now.wall);
      standings.set(principal, standing);
    }
    return standing;
  };
  const order = new TurnOrder({ ...standingsOf(state, now.wall), of }, candidates(state, now.wall));
  let roomShrank = false;
  let tries = 0;
  for (let next = order.pop(); next !== undefined; next = order.pop()) {
    if (mayRunNoMore(state, next.from.owner) || quotaAgainst(state, next.task) !== undefined) continue;
    if (tries >= most) {
      state.wake = true;
      return;
    }
    tries += 1;
    if (placeTask(context, next)) {
      roomShrank = true;
      standings.delete(next.task.principal);
      const candidate = candidateOf(state, next.from, now.wall);
      if (candidate !== undefined) order.push(candidate);
      continue;
    }
    if (next.from.choice !== null) continue;
    next.from.blockedAt = state.waiting.capacityVersion;
    if (!roomShrank) continue;
    // Many shapes wait on a full grid: what fits nowhere any more is not tried one by one.
    roomShrank = false;
    tries += order.size / sievedPerTry;
    const room = state.room.now();
    order.keep(({ task }) => room !== undefined && mayFit(task.spec.envelope.resources, room));
  }
}

function candidates(state: BrokerState, wall: number): Candidate[] {
  const { waiting } = state;
  const found: Candidate[] = [];
  const room = state.room.now();
  if (room === undefined) return found;
  for (const from of waiting.classes()) {
    if (from.blockedAt === waiting.capacityVersion || mayRunNoMore(state, from.owner)) continue;
    if (choiceStands(state, from)) continue;
    const candidate = candidateOf(state, from, wall);
    if (candidate === undefined || quotaAgainst(state, candidate.task) !== undefined) continue;
    if (mayFit(candidate.task.spec.envelope.resources, room)) found.push(candidate);
  }
  return found;
}

function candidateOf(state: BrokerState, from: WaitingClass, wall: number): Candidate | undefined {
  const first = state.waiting.first(from);
  if (first === undefined) return undefined;
  const task = state.tasks.get(first) as Task;
  return { from, task, priority: agedPriority(from, task, wall), dueAt: dueAt(state, task) };
}

function placeTask(context: Context, { from, task }: Candidate): boolean {
  const { state, now } = context;
  const views = viewsFor(state, task, now.wall);
  const envelope = chargedAs(state, task.spec.envelope);
  // Beside room that is kept for others nothing is planned: it takes what it may have.
  const choice = from.choice?.task === task.id ? from.choice : null;
  const plan = views === state.views ? planFor(state, from, task) : undefined;
  if (plan?.kind === 'later') return false;
  const first = plan?.placement ?? placeFirst(state, task, envelope, views);
  const placement = nearPrefix(state, envelope, {
    ...{ placement: placedWithin(state, task, first, views, envelope), views },
    outlooks: () => outlooksOf(state, envelope),
  });
  if (placement.kind !== 'placed') return false;
  const why = state.notes.allows(views.length, state.watch)
    ? reasons(state, task, envelope, placement, plan)
    : null;
  const devices = placement.reservation.devices.map((d) => [d.uuid, d.vramBytes, d.whole] as const);
  const attempt = (task.attempt + 1) as Task['attempt'];
  const durable = !isEphemeral(task.id);
  const kept = durable && why !== null ? state.notes.forJournal(why, state.watch) : undefined;
  const part = state.size.partOf(placement.reservation, views);
  const { memoryBytes } = placement.reservation;
  const charge = memoryBytes === task.spec.envelope.resources.memoryBytes ? undefined : memoryBytes;
  // What was kept of a prefix, or a quota, may have led it elsewhere than the plan.
  const times = plan?.placement === placement ? foretoldOf(state, plan, choice) : undefined;
  state.counters.leased += 1;
  const { worker: to } = placement;
  const leased = [decided.leased, task.id, attempt, to, devices, now.wall, kept, part, charge] as const;
  decide(context, times === undefined ? leased : [...leased, times], durable);
  state.planner.changed(placement.worker);
  const worker = state.workers.get(placement.worker) as Worker;
  const lease = task.lease as TaskLease;
  noteFetches(state, task, lease);
  notePrefix(state, task, lease.worker);
  if (why === null)
    lease.note = state.notes.ofWinner(worker.view.name, placement.total, state.policies.inForce.version);
  else lease.note = state.notes.widen(lease.note, why);
  dropClaim(state, task.id);
  sendLease(context, task, worker);
  tellChanged(context, task);
  return true;
}

/** Where nothing of its class is known; `envelope`: as it is charged. */
function placeFirst(
  { placer, views, demand, policies }: BrokerState,
  { spec }: Task,
  envelope: Envelope,
  mayUse: readonly WorkerView[],
): Placement {
  // What was found out of a worker is not what it has beside a claim.
  if (mayUse !== views) return place(envelope, mayUse, demand.typical, policies.inForce);
  const key = envelope === spec.envelope ? spec.shapeKey : shapeKey(envelope);
  return placer.place(envelope, key, demand.typical, policies.inForce);
}

/** Why there, in terms of each worker; `envelope`: as it is charged; with what is expected of it, where there was a plan. */
function reasons(
  state: BrokerState,
  { spec }: Task,
  envelope: Envelope,
  placement: Placement,
  plan: FinishPlan | undefined,
): PlacementNote {
  const { inForce } = state.policies;
  const outlooks = plan === undefined ? [] : outlooksOf(state, envelope);
  const explained = explain(envelope, state.views, state.demand.typical, inForce, placement, outlooks);
  const charged = withCharge(state, spec.envelope, explained.decision);
  const workers = explainedPrefix(state, envelope, explained.workers);
  const why = { ...explained, decision: charged, workers, policy: inForce.version };
  if (plan?.kind !== 'now') return why;
  const tries = plan.tries ? ', to learn how it runs there' : '';
  const asked = plan.placement.kind === 'placed' ? answerWords(state, envelope, plan.placement.worker) : '';
  const decision = `${why.decision}, expected to end in ${aboutMs(plan.finishMs)}${asked}${tries}`;
  return { ...why, decision };
}
