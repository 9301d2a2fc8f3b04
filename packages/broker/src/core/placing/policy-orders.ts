/**
 * Orders to decide by another placement policy, or by the former one again; and the broker's own, when tasks end clearly
 * later since (E31).
 *
 * 1. A promotion names the version that it is to follow: asked again, it is answered again.
 * 2. It comes in force only if the broker's own replay says that it is better (judging/policy-judge.ts), whatever who asks says of it.
 * 3. What was rolled back was promoted for what a replay said: before another promotion counts only what was submitted since.
 */
import {
  type Failure,
  failure,
  type PlacementPolicy,
  type PolicyDocument,
  type PolicyEvidence,
  type PolicyParts,
  type PrincipalId,
  type RequestArgs,
  type WorkerId,
  type WorkerReport,
} from '@gryphgen/protocol';
import type { Judgement, Verdict } from '@gryphgen/scheduler';
import type { Context } from '../context.ts';
import { decide, journalStalled, refuse, reply } from '../context.ts';
import type { BrokerEvent } from '../events.ts';
import { decided } from '../record/decisions.ts';
import type { BrokerState, Session } from '../state.ts';

type Promotion = RequestArgs<'promotePolicy'>;
type Rollback = RequestArgs<'rollBackPolicy'>;

export function policyDocument({ policies }: BrokerState): PolicyDocument {
  const { inForce, previous, changes, watch } = policies;
  const { before = 0, since = 0, ratio = 1, leastRatio = 0 } = watch.verdict() ?? {};
  return {
    inForce,
    previous: previous?.version ?? null,
    changes,
    watch: watch.isWatching ? { tasks: [before, since], ratio, leastRatio } : null,
  };
}

/** A policy, beside the one in force, as it is to be judged. */
export interface JudgedOrder {
  readonly inForce: PlacementPolicy;
  readonly parts: PolicyParts;
  /** Judged is by what was submitted since then alone (wall ms). */
  readonly since: number;
  readonly machines: readonly { readonly id: WorkerId; readonly report: WorkerReport }[];
}

export function onPromote(context: Context, session: Session, id: number, order: Promotion): void {
  const { state } = context;
  if (isPolicyOrderTaken(state, order)) {
    reply(context, session.id, id, policyDocument(state));
    return;
  }
  const { inForce } = state.policies;
  if (inForce.version !== order.from) {
    refuse(context, session.id, id, failure('rejected.state', otherInForce(state, order.from)));
    return;
  }
  const machines = state.views.flatMap(({ id: worker, report }) =>
    report === null ? [] : [{ id: worker, report }],
  );
  const judged = { inForce, parts: order.parts, since: rolledBackAt(state), machines };
  context.effects.push({ kind: 'judgePolicy', session: session.id, request: id, order: judged });
}

/** Of an order whose session has ended meanwhile nothing comes: it is given again, or was not meant to stand. */
export function onPolicyJudged(
  context: Context,
  { session, request, order, judgement }: Extract<BrokerEvent, { kind: 'policyJudged' }>,
): void {
  const { state, now } = context;
  const { principal } = state.sessions.get(session) ?? {};
  if (principal === undefined) return;
  const { parts, inForce } = order;
  if (!isPolicyOrderTaken(state, { from: inForce.version, parts })) {
    const why = state.journalStalled ? journalStalled : whyNot(state, order, judgement);
    if (why !== undefined) {
      refuse(context, session, request, why);
      return;
    }
    const { evidence } = judgement as Proven;
    const policy = { ...parts, version: state.policies.newest + 1 };
    const reason = `${percent(evidence.gain)} sooner, at least ${percent(evidence.leastGain)}, in a replay of ${evidence.judged} tasks`;
    decide(context, [decided.policyChanged, 'promoted', policy, now.wall, principal, reason, evidence]);
  }
  reply(context, session, request, policyDocument(state));
}

export function onRollBack(context: Context, session: Session, id: number, order: Rollback): void {
  const { state } = context;
  if (!isPolicyOrderTaken(state, order)) {
    const { inForce, previous } = state.policies;
    const why =
      inForce.version !== order.from
        ? otherInForce(state, order.from)
        : previous === undefined
          ? `no policy is known that was in force before version ${order.from}`
          : undefined;
    if (why !== undefined) {
      refuse(context, session.id, id, failure('rejected.state', why));
      return;
    }
    rollBack(context, session.principal, 'ordered');
  }
  reply(context, session.id, id, policyDocument(state));
}

/** With each tick: the broker goes back by itself from what has proven worse. */
export function watchPolicy(context: Context): void {
  const { policies, journalStalled } = context.state;
  // One that cannot be journaled now is decided with a later tick.
  if (journalStalled || !policies.watch.isWorse()) return;
  const verdict = policies.watch.verdict() as Verdict;
  const words = `of ${verdict.since} tasks since, by what is usual of their classes, each took ${times(verdict.ratio)} as long as of ${verdict.before} before, and no less than ${times(verdict.leastRatio)} but for chance`;
  rollBack(context, '', words);
}

/** Done already: its answer was lost, or waits for the journal still. */
export function isPolicyOrderTaken(
  { policies }: BrokerState,
  order: Rollback & Partial<Pick<Promotion, 'parts'>>,
): boolean {
  const { previous, inForce, changes } = policies;
  const last = changes.at(-1);
  if (order.parts === undefined)
    return last?.kind === 'rolledBack' && inForce.version < order.from && order.from <= policies.newest;
  const { version: _, ...parts } = inForce;
  return (
    last?.kind === 'promoted' &&
    previous?.version === order.from &&
    JSON.stringify(parts) === JSON.stringify(order.parts)
  );
}

type Proven = Judgement & { readonly evidence: PolicyEvidence };

function whyNot(state: BrokerState, order: JudgedOrder, judgement: Judgement | Failure): Failure | undefined {
  if ('code' in judgement) return judgement;
  const { promotes, why, evidence } = judgement;
  if (state.policies.inForce.version !== order.inForce.version)
    return failure('rejected.state', otherInForce(state, order.inForce.version));
  if (!promotes || evidence === null)
    return failure(
      'rejected.state',
      `a policy is promoted only if the broker's own replay of the history is better with it: ${why}`,
    );
  if (order.since !== rolledBackAt(state))
    return failure('rejected.state', 'a policy was rolled back while this one was judged; try again');
  return undefined;
}

/** Since then only what is submitted counts; 0: none was. */
function rolledBackAt({ policies }: BrokerState): number {
  return policies.changes.findLast(({ kind }) => kind === 'rolledBack')?.at ?? 0;
}

function otherInForce({ policies }: BrokerState, from: number): string {
  return `version ${policies.inForce.version} of the placement policy is in force, not ${from}`;
}

function rollBack(context: Context, by: PrincipalId | '', reason: string): void {
  const { previous } = context.state.policies;
  if (previous === undefined) return;
  decide(context, [decided.policyChanged, 'rolledBack', previous, context.now.wall, by, reason, null]);
}

function percent(share: number): string {
  return `${(100 * share).toFixed(1)} %`;
}

function times(ratio: number): string {
  return `${ratio.toFixed(2)} times`;
}
