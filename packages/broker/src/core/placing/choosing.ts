/**
 * Waiting by choice: a task that could go now, and is expected to end sooner if it waits for a better worker.
 *
 * 1. A line that waits by choice is planned again when the worker it waits for has changed, when it has grown to what a plan
 *    looks at, and after `standsMs`: what was expected may not come.
 * 2. No task waits by choice for longer than `mostChoiceMs`: then it takes what is best of what it could have.
 */
import { formatDuration, type WorkerId } from '@gryphgen/protocol';
import { type FinishPlan, looksInLine, versionOf } from '@gryphgen/scheduler';
import { foretold } from '../learning.ts';
import { classOwner } from '../principals/shares.ts';
import type { WireForetold } from '../record/decisions.ts';
import type { BrokerState, Task } from '../state.ts';
import { chargedAs } from '../workers/charging.ts';
import type { WaitingClass } from './waiting-queue.ts';

type Later = Extract<FinishPlan, { kind: 'later' }>;

export interface Choice {
  readonly plan: Later;
  /** The first of the line, and the watch time since which it waits by choice: then it was to start there after `startMs`. */
  readonly task: number;
  readonly since: number;
  readonly startMs: number;
  /** Watch time at which it was planned, and the worker's version then. */
  readonly at: number;
  readonly version: number;
  /** Tasks of the line that it was planned for. */
  readonly queued: number;
}

const standsMs = 250;
const mostChoiceMs = 10 * 60_000;

/** Undefined: nothing is known that a plan could be made of. Notes where the line waits by choice. */
export function planFor(state: BrokerState, from: WaitingClass, task: Task): FinishPlan | undefined {
  const { planner, views, watch, waiting } = state;
  const before = from.choice?.task === task.id ? from.choice : null;
  const mayWait = before === null || watch - before.since < mostChoiceMs;
  const queued = Math.min(waiting.lengthOf(from), looksInLine);
  const plan = planner.plan(foretold(chargedAs(state, task.spec.envelope)), views, queued, mayWait);
  from.choice = null;
  if (plan?.kind !== 'later') return plan;
  const version = versionFor(state, plan.worker);
  const { since, startMs } = before ?? { since: watch, startMs: plan.startMs };
  from.choice = { plan, task: task.id, since, startMs, at: watch, version, queued };
  state.choosing = true;
  return plan;
}

/** What a plan foretells of an attempt, beside what its choice had foretold. */
export function foretoldOf(
  { watch }: BrokerState,
  { finishMs, fetchMs, placement }: Extract<FinishPlan, { kind: 'now' }>,
  choice: Choice | null,
): WireForetold {
  const times = [Math.round(fetchMs), Math.round(finishMs - fetchMs)] as const;
  if (choice === null || choice.plan.worker !== placement.worker) return times;
  return [...times, Math.ceil(choice.startMs), Math.ceil(watch - choice.since)];
}

export function choiceStands(state: BrokerState, from: WaitingClass): boolean {
  const { choice } = from;
  if (choice === null || state.watch - choice.at >= standsMs) return false;
  if (versionFor(state, choice.plan.worker) !== choice.version) return false;
  if (Math.min(state.waiting.lengthOf(from), looksInLine) > choice.queued) return false;
  state.choosing = true;
  return true;
}

/** Of a waiting task, if its line waits by choice. */
export function choiceOf(
  state: BrokerState,
  { spec, id, principal, phase, notBefore }: Task,
): Later | undefined {
  if (phase !== 'waiting' || notBefore > 0) return undefined;
  return state.waiting.classOf(spec, id, classOwner(state, principal)).choice?.plan;
}

export function choiceWords(
  { workers }: BrokerState,
  { worker, startMs, finishMs, otherwiseMs }: Later,
): string {
  const name = workers.get(worker)?.view.name ?? worker;
  const [start, finish, otherwise] = [startMs, finishMs, otherwiseMs].map(aboutMs);
  return `waits by choice for ${name}: there it is expected to start in ${start} and to end in ${finish}, on what is free now in ${otherwise}`;
}

/** Two digits: more is not known. */
export function aboutMs(ms: number): string {
  return formatDuration(ms < 1000 ? Math.ceil(ms) : Math.round(ms / 1000) * 1000);
}

function versionFor({ workers }: BrokerState, id: WorkerId): number {
  const worker = workers.get(id);
  return worker === undefined ? -1 : versionOf(worker.view);
}
