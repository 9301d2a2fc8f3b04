/**
 * What each principal has of the grid, and what it may have.
 *
 * 1. A share is changed where its tasks change (`apply`), with the decision that changes them: replay makes the same, and
 *    invariants.ts holds it against the tasks.
 * 2. Submissions beyond a limit are refused; tasks beyond `running` wait, and beyond a quota (quotas.ts). How fast somebody submits is an observation: it is
 *    counted anew in each epoch, by its monotonic clock.
 */
import type { Failure, PrincipalId, PrincipalLimits, Reservation, Role, TaskId } from '@gryphgen/protocol';
import { failure, formatBytes, isEphemeral } from '@gryphgen/protocol';
import { Budget } from '../budget.ts';
import type { SubmittedSpec } from '../events.ts';
import type { BrokerState, Session, Task, TaskLease } from '../state.ts';
import { addHeld, type Held, nothingHeld } from './held.ts';
import { nameWithParty, partyOf } from './party.ts';

/** So many principals have classes of their own; of more at a time, the others wait together, as one. */
const mostOwners = 1000;

/** A principal's unfinished tasks. */
export interface Share {
  /** Its tasks wait in classes of their own, for as long as it has any. */
  readonly isOwner: boolean;
  readonly tasks: Set<TaskId>;
  /** Of these, those that have a lease. */
  running: number;
  bodiesBytes: number;
  /** By its leases. */
  readonly held: { -readonly [K in keyof Held]: Held[K] };
}

export function limitsOf({ principalLimits }: BrokerState, principal: PrincipalId): PrincipalLimits {
  return principalLimits.named.get(principal) ?? principalLimits.everybody;
}

/** The highest priority of what it may submit in this role; undefined: any. */
export function ceilingOf(
  { principalLimits: { everybody, named } }: BrokerState,
  principal: PrincipalId,
  role: Role,
): number | undefined {
  return named.get(principal)?.highestPriority ?? (role === 'admin' ? undefined : everybody.highestPriority);
}

export function addToShare(state: BrokerState, { id, principal, bodyBytes }: Task): void {
  const { shares } = state;
  let share = shares.get(principal);
  if (share === undefined) {
    const { running, quota } = limitsOf(state, principal);
    const isOwner = shares.size < mostOwners || running !== undefined || quota !== undefined;
    share = { isOwner, tasks: new Set(), running: 0, bodiesBytes: 0, held: { ...nothingHeld } };
    shares.set(principal, share);
  }
  share.tasks.add(id);
  share.bodiesBytes += bodyBytes;
}

/** It has ended, and holds no lease. */
export function takeFromShare({ shares }: BrokerState, { id, principal, bodyBytes }: Task): void {
  const share = shares.get(principal) as Share;
  share.tasks.delete(id);
  share.bodiesBytes -= bodyBytes;
  if (share.tasks.size === 0) shares.delete(principal);
}

/** Its task got this lease, at `wall` ms. */
export function countLease(
  state: BrokerState,
  task: Task,
  { part, reservation }: TaskLease,
  wall: number,
): void {
  const share = state.shares.get(task.principal) as Share;
  share.running += 1;
  addHeld(share.held, reservation, 1);
  countUse(state, task, part, wall);
}

/** Its task lost it. */
export function uncountLease(
  state: BrokerState,
  task: Task,
  { part, reservation }: TaskLease,
  wall: number,
): void {
  const share = state.shares.get(task.principal) as Share;
  share.running -= 1;
  addHeld(share.held, reservation, -1);
  countUse(state, task, -part, wall);
}

/** What it holds is another amount from now on. */
export function holdOtherwise(
  { shares }: BrokerState,
  { principal }: Task,
  before: Reservation,
  now: Reservation,
): void {
  const { held } = shares.get(principal) as Share;
  addHeld(held, before, -1);
  addHeld(held, now, 1);
}

/** What ephemeral tasks use is known until the broker's next start. */
function countUse(
  { use, ephemeralUse, partyUse }: BrokerState,
  { id, principal, spec: { envelope } }: Task,
  part: number,
  wall: number,
): void {
  if (part === 0) return;
  (isEphemeral(id) ? ephemeralUse : use).hold(principal, part, wall);
  const party = partyOf(envelope, id);
  if (party !== '') partyUse.hold(nameWithParty(principal, party), part, wall);
}

/** In whose classes its tasks wait. */
export function classOwner({ shares }: BrokerState, principal: PrincipalId): PrincipalId | '' {
  return shares.get(principal)?.isOwner ? principal : '';
}

/** What it has had of the grid of late, 0..1. */
export function partUsed(state: BrokerState, principal: PrincipalId, wall: number): number {
  return (state.use.average(principal, wall) + state.ephemeralUse.average(principal, wall)) / 1_000_000;
}

/** What it has had of the grid, in millionths for a weight of 1: who has the least goes first. */
export function standingOf(state: BrokerState, principal: PrincipalId, wall: number): number {
  const { weight = 1 } = limitsOf(state, principal);
  return (state.use.standing(principal, wall) + state.ephemeralUse.standing(principal, wall)) / weight;
}

export interface Standings {
  /** What a principal has had, for its weight. In one turn it only grows. */
  of(principal: PrincipalId): number;
  /** What one had for whom it asks; so does this. */
  ofParty(principal: PrincipalId, party: string): number;
}

/** As turns are taken by them; who asks for several parties has those with the least of late go first. */
export function standingsOf(state: BrokerState, wall: number): Standings {
  return {
    of: (principal) => standingOf(state, principal, wall),
    ofParty: (principal, party) =>
      party === '' ? 0 : state.partyUse.standing(nameWithParty(principal, party), wall),
  };
}

/** Whether it has as many tasks placed as it may; '' of everybody who has no such limit. */
export function mayRunNoMore(state: BrokerState, principal: PrincipalId | ''): boolean {
  if (principal === '') return false;
  const { running: most } = limitsOf(state, principal);
  return most !== undefined && (state.shares.get(principal)?.running ?? 0) >= most;
}

export type Submitter = Pick<Session, 'principal' | 'role'>;

/** Why another task of it is not taken now, however fast it submits; undefined when it is. */
export function refusalByLimits(
  state: BrokerState,
  { principal, role }: Submitter,
  { envelope, bodyBytes }: Pick<SubmittedSpec, 'envelope' | 'bodyBytes'>,
): Failure | undefined {
  const ceiling = ceilingOf(state, principal, role);
  if (ceiling !== undefined && envelope.priority > ceiling) {
    const words = `submit with a priority of ${ceiling} at most, and this has ${envelope.priority} (highestPriority of the broker's principalLimits)`;
    return beyond(principal, words);
  }
  const limits = limitsOf(state, principal);
  const { tasks, running, bodiesBytes } = state.shares.get(principal) ?? nothing;
  const waiting = tasks.size - running;
  if (limits.queued !== undefined && waiting >= limits.queued)
    return beyond(principal, `have ${limits.queued} tasks waiting, and has ${waiting}`);
  if (limits.bodiesBytes !== undefined && bodiesBytes + bodyBytes > limits.bodiesBytes) {
    const words = `keep ${formatBytes(limits.bodiesBytes)} of bodies of unfinished tasks, has ${formatBytes(bodiesBytes)}, and this one has ${formatBytes(bodyBytes)}`;
    return beyond(principal, words);
  }
  return undefined;
}

const nothing = { tasks: new Set<TaskId>(), running: 0, bodiesBytes: 0 };

/** Why it submits too fast; undefined when it does not, and then it counts as submitted. */
export function refusalByRate(state: BrokerState, principal: PrincipalId, mono: number): Failure | undefined {
  const { submitRates } = state;
  const { submitsPerSecond, submitBurst } = limitsOf(state, principal);
  if (submitsPerSecond === undefined) return undefined;
  const burst = submitBurst ?? Math.max(1, Math.ceil(submitsPerSecond));
  let rate = submitRates.get(principal);
  if (rate === undefined) {
    rate = new Budget(submitsPerSecond / 1000, burst);
    submitRates.set(principal, rate);
  }
  if (!rate.has(mono, 1)) {
    const words = `submit ${submitsPerSecond} tasks a second, ${burst} at once: try again a little later`;
    return beyond(principal, words);
  }
  rate.spend(1);
  return undefined;
}

export function beyond(principal: PrincipalId, words: string): Failure {
  return failure('rejected.limit', `${principal} may ${words}`);
}
