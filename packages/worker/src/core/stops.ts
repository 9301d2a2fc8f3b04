/**
 * Ending attempts before their time: by the broker's word, by the clock, by the loss of the lease, for a
 * neighbour's sake.
 *
 * 1. E15: a stop that overtakes its lease uses up the lease's number, so that the lease starts nothing, and is answered
 *    with the result of an attempt that never ran.
 * 2. A stop never gets lost in a start: it is remembered as the phase `stopping`, and the executor is told.
 * 3. The first reason names the result; a later reason may only bring the kill forward.
 */
import type { Failure, Recall as LoanRecall, Stop } from '@gryphgen/protocol';
import { defaultStopGraceMs, failure } from '@gryphgen/protocol';
import { type Context, conclude, forget, holdAttempt, noOutcome, send, sendResult } from './context.ts';
import { type Fence, keyOf } from './fence.ts';
import { bareFacts, canKeepOne } from './leases.ts';
import type { Attempt, Session, StopWhy, WorkerState } from './state.ts';
import { moveTo, noteTransition } from './transition.ts';

export function onStop(context: Context, session: Session, stop: Stop): void {
  const fence: Fence = { task: stop.task, attempt: stop.attempt, epoch: stop.epoch };
  const overtaking = stop.leaseSeq > 0 && session.leases.take(stop.leaseSeq);
  const attempt = context.state.attempts.get(keyOf(fence));
  if (attempt === undefined) stopUnknown(context, fence, stop.reason, overtaking);
  else if (stop.reason === 'drop') drop(context, attempt);
  else recall(context, attempt, stop.reason);
}

/** What is not here has nothing to give back, and one that ends is about to (E41). */
export function onRecall({ state, effects }: Context, { task, attempt, epoch }: LoanRecall): void {
  const held = state.attempts.get(keyOf({ task, attempt, epoch }));
  if (held?.phase === 'starting' || held?.phase === 'running')
    effects.push({ kind: 'recall', fence: held.fence });
}

/** Stops that ask for the attempt's result. */
type Recall = Exclude<Stop['reason'], 'drop'>;

/** `how` goes on after "cancelled". */
function recalled(why: Recall, how: string): Failure {
  return why === 'cancel'
    ? failure('cancelled.user', `cancelled${how}`)
    : failure('lost.drained', `its machine was drained${how}`);
}

function stopUnknown(context: Context, fence: Fence, reason: Stop['reason'], overtaking: boolean): void {
  const { state, now } = context;
  if (reason === 'drop') noteTransition(state, fence, 'drop', 'none', now.mono);
  else if (overtaking && canKeepOne(state)) {
    const story = noteTransition(state, fence, reason, 'ended', now.mono);
    const attempt = holdAttempt(context, fence, bareFacts, 'ended', story);
    conclude(context, attempt, -1, recalled(reason, ' before it started'), { outcome: noOutcome });
  } else {
    // It is not here and can no longer start here (its number is used up, or its session is over), or there is no room
    // to keep more: the same answer, without keeping it, because the broker repeats the stop until it has heard one.
    noteTransition(state, fence, reason, 'none', now.mono);
    const why = recalled(reason, '; the worker no longer held it');
    send(context, { kind: 'result', ...fence, exitCode: -1, failure: why, ranMs: 0, outcome: noOutcome });
  }
}

function recall(context: Context, attempt: Attempt, why: Recall): void {
  switch (attempt.phase) {
    case 'ended':
      moveTo(context.state, attempt, why, 'ended', context.now.mono);
      sendResult(context, attempt);
      return;
    case 'starting':
    case 'running':
    case 'stopping':
      end(context, attempt, why, gracefulMs(attempt, why));
  }
}

function drop(context: Context, attempt: Attempt): void {
  switch (attempt.phase) {
    case 'ended':
      moveTo(context.state, attempt, 'drop', 'none', context.now.mono);
      forget(context, attempt);
      return;
    case 'starting':
    case 'running':
    case 'stopping':
      attempt.dropped = true;
      end(context, attempt, 'drop', hurriedMs(context.state));
  }
}

/** A neighbour waits no longer than it must. */
function gracefulMs({ facts }: Attempt, why: StopWhy): number {
  const askedMs = facts.stopGraceMs ?? defaultStopGraceMs;
  return why === 'overuse' ? Math.min(askedMs, defaultStopGraceMs) : askedMs;
}

/** Grace where somebody else may be starting the same task: half of what the broker waits (E12). */
function hurriedMs(state: WorkerState): number {
  return state.timers.graceMs / 2;
}

export function timeOut(context: Context, attempt: Attempt): void {
  end(context, attempt, 'timeout', gracefulMs(attempt, 'timeout'));
}

/** `why`: who is endangered by what it holds; the result says so. */
export function endOveruse(context: Context, attempt: Attempt, why: string): void {
  end(context, attempt, 'overuse', gracefulMs(attempt, 'overuse'), why);
}

/** `why`: what its last check said. */
export function endUnhealthy(context: Context, attempt: Attempt, why: string): void {
  end(context, attempt, 'unhealthy', gracefulMs(attempt, 'unhealthy'), why);
}

export function loseLease(context: Context, attempt: Attempt): void {
  end(context, attempt, 'leaseLost', hurriedMs(context.state));
}

/** What an earlier life began: how much of the grace is used up is not known, so all of it is given again. */
export function goOnStopping(context: Context, attempt: Attempt, why: StopWhy): void {
  const isUrgent = why === 'drop' || why === 'leaseLost';
  const graceMs = isUrgent ? hurriedMs(context.state) : gracefulMs(attempt, why);
  attempt.stopping = { why, words: '', killByMono: context.now.mono + graceMs };
  context.effects.push({ kind: 'stop', fence: attempt.fence, graceMs, why });
}

function end(context: Context, attempt: Attempt, why: StopWhy, graceMs: number, words = ''): void {
  const killByMono = context.now.mono + graceMs;
  moveTo(context.state, attempt, why, 'stopping', context.now.mono);
  if (attempt.stopping !== null && attempt.stopping.killByMono <= killByMono) return;
  if (attempt.stopping === null) attempt.stopping = { why, words, killByMono };
  else attempt.stopping.killByMono = killByMono;
  context.effects.push({ kind: 'stop', fence: attempt.fence, graceMs, why });
}
