/**
 * Orders to decide by another placement policy, or by the former one again; and the broker's own, when tasks end clearly
 * later since (E31).
 *
 * 1. A promotion names the version that it is to follow, and a replay that it is better: asked again, it is answered again.
 * 2. What was rolled back was promoted for what a replay said: before another promotion counts only what was submitted since.
 */
import { failure, type PolicyDocument, type PrincipalId, type RequestArgs } from '@gryphgen/protocol';
import type { Verdict } from '@gryphgen/scheduler';
import type { Context } from '../context.ts';
import { decide, refuse, reply } from '../context.ts';
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

export function onPromote(context: Context, session: Session, id: number, order: Promotion): void {
  const { state, now } = context;
  if (!isPolicyOrderTaken(state, order)) {
    const why = whyNot(state, order);
    if (why !== undefined) {
      refuse(context, session.id, id, failure('rejected.state', why));
      return;
    }
    const { parts, evidence } = order;
    const policy = { ...parts, version: state.policies.newest + 1 };
    const reason = `${percent(evidence.gain)} sooner, at least ${percent(evidence.leastGain)}, in a replay of ${evidence.judged} tasks`;
    decide(context, [
      decided.policyChanged,
      'promoted',
      policy,
      now.wall,
      session.principal,
      reason,
      evidence,
    ]);
  }
  reply(context, session.id, id, policyDocument(state));
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
export function isPolicyOrderTaken({ policies }: BrokerState, order: Rollback & Partial<Promotion>): boolean {
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

function whyNot(state: BrokerState, { from, evidence }: Promotion): string | undefined {
  const { inForce, changes } = state.policies;
  if (inForce.version !== from) return otherInForce(state, from);
  if (!(evidence.leastGain > 0 && evidence.judged > 0))
    return 'a policy is promoted only if a replay of the history is better with it, and not by chance';
  const back = changes.findLast(({ kind }) => kind === 'rolledBack');
  if (back !== undefined && evidence.since < back.at)
    return `since the last policy was rolled back only tasks count that were submitted after it`;
  return undefined;
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
