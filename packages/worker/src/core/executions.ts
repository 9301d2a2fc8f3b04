/** What executors report: attempts found at start, started, ended, not startable. */
import type { Failure } from '@gryphgen/protocol';
import { asksModel, failure, formatBytes, formatDuration } from '@gryphgen/protocol';
import { type Context, conclude, forget, holdAttempt, noOutcome, send } from './context.ts';
import type { AdoptedAttempt, Exit } from './events.ts';
import { type Fence, keyOf } from './fence.ts';
import type { Stimulus } from './phases.ts';
import type { Attempt, WorkerState } from './state.ts';
import { goOnStopping } from './stops.ts';
import { invalidTransition, moveTo, noteTransition } from './transition.ts';

/** Containers of an earlier life of this worker: they go on, they count, and the next hello lists them (E11). */
export function onAdopted(context: Context, found: readonly AdoptedAttempt[]): void {
  for (const { fence, facts, stopping, found: as } of found) {
    const known = context.state.attempts.get(keyOf(fence));
    if (known !== undefined) throw misplaced(context, fence, 'adopted', known);
    const phase = as.phase === 'running' && stopping !== null ? 'stopping' : as.phase;
    const story = noteTransition(context.state, fence, 'adopted', phase, context.now.mono);
    const attempt = holdAttempt(context, fence, facts, phase, story);
    attempt.startedMono = context.now.mono - as.ranMs;
    if (as.phase === 'running') {
      if (stopping !== null) goOnStopping(context, attempt, stopping);
    } else {
      if (stopping !== null) attempt.stopping = { why: stopping, words: '', killByMono: context.now.mono };
      const failed = adoptedFailure(context.state, attempt, as);
      conclude(context, attempt, as.exit.exitCode, failed, as.exit);
    }
  }
}

/**
 * Where it is noted why the earlier life stopped it, as that life would have told it. Where it is not (the note was lost
 * with the disk, or it was ended from outside), a timeout can be told by the time it ran; any other end of that kind is
 * no failing of the task.
 */
function adoptedFailure(
  state: WorkerState,
  attempt: Attempt,
  as: { readonly ranMs: number; readonly exit: Exit },
): Failure | null {
  const { timeoutMs } = attempt.facts;
  if (as.exit.stopped && attempt.stopping !== null) return stopFailure(state, attempt);
  const killed = as.exit.failure === null && as.exit.exitCode !== 0;
  if (as.exit.stopped && !(timeoutMs > 0 && as.ranMs >= timeoutMs)) {
    return stoppedBefore();
  }
  return killed && timeoutMs > 0 && as.ranMs >= timeoutMs ? timedOut(attempt) : failureOf(as.exit);
}

export function onStarted(context: Context, fence: Fence): void {
  const attempt = heldBy(context, fence, 'started');
  const { state, now } = context;
  moveTo(state, attempt, 'started', attempt.phase === 'starting' ? 'running' : attempt.phase, now.mono);
  attempt.startedMono = now.mono;
  if (asksModel(attempt.facts.kind)) state.untold.add(attempt.key);
  else send(context, { kind: 'started', ...fence });
}

/** E38: of what answers in milliseconds the result says enough; what is still running now is told of. */
export function tellStarted(context: Context): void {
  const { untold, attempts } = context.state;
  for (const key of untold) {
    const attempt = attempts.get(key);
    if (attempt !== undefined) send(context, { kind: 'started', ...attempt.fence });
  }
  untold.clear();
}

export function onExited(context: Context, fence: Fence, exit: Exit): void {
  const attempt = heldBy(context, fence, 'exited');
  const failed = exit.stopped ? stopFailure(context.state, attempt) : failureOf(exit);
  finish(context, attempt, 'exited', failed, exit);
}

export function onStartFailed(context: Context, fence: Fence, why: Failure): void {
  const attempt = heldBy(context, fence, 'startFailed');
  const failed = attempt.stopping === null ? why : stopFailure(context.state, attempt);
  finish(context, attempt, 'startFailed', failed, { exitCode: -1, outcome: noOutcome });
}

function finish(
  context: Context,
  attempt: Attempt,
  stimulus: Stimulus,
  failed: Failure | null,
  exit: Pick<Exit, 'exitCode' | 'outcome' | 'usage'>,
): void {
  // What was prepared for it, an image pulled for minutes, is no part of its run.
  if (attempt.phase === 'starting') attempt.startedMono = context.now.mono;
  moveTo(context.state, attempt, stimulus, attempt.dropped ? 'none' : 'ended', context.now.mono);
  context.state.untold.delete(attempt.key);
  if (attempt.dropped) forget(context, attempt);
  else conclude(context, attempt, exit.exitCode, failed, exit);
}

function failureOf(exit: Exit): Failure | null {
  if (exit.failure !== null || exit.exitCode === 0) return exit.failure;
  return failure('execution.exit', `the command exited with code ${exit.exitCode}`);
}

/** E15: what it was stopped for, unless it had ended by itself before (the executor tells by `stopped`). */
function stopFailure(state: WorkerState, attempt: Attempt): Failure {
  switch (attempt.stopping?.why) {
    case 'timeout':
      return timedOut(attempt);
    case 'overuse':
      return failure('execution.oom', `ended because it ${attempt.stopping.words || overused(attempt)}`);
    case 'unhealthy': {
      const { words } = attempt.stopping;
      return failure('execution.unhealthy', `ended because it was unhealthy${words && `: ${words}`}`);
    }
    case 'leaseLost':
      return failure(
        'lost.link',
        `stopped after ${formatDuration(state.timers.leaseMs)} without a word from the broker`,
      );
    case 'drain':
      return failure('lost.drained', 'stopped because its machine was drained');
    case 'cancel':
    case 'drop':
      return failure('cancelled.user', 'cancelled while it ran');
    default:
      return stoppedBefore();
  }
}

/** As an earlier life saw it, whose numbers went with it. */
function overused({ facts }: Attempt): string {
  const reserved = facts.reservation.devices.map(
    ({ uuid, vramBytes }) => `${formatBytes(vramBytes)} of ${uuid}`,
  );
  return `held more device memory than was reserved for it (${reserved.join(', ') || 'none'}), which endangered a neighbour`;
}

/** By a signal that this life did not send: no failing of the task. */
function stoppedBefore(): Failure {
  return failure('lost.worker', 'stopped by an earlier life of its worker');
}

function timedOut(attempt: Attempt): Failure {
  return failure(
    'execution.timeout',
    `ran longer than its timeout of ${formatDuration(attempt.facts.timeoutMs)}`,
  );
}

/** Executors report on attempts they were told to start, and only until they ended: anything else is a bug of ours. */
function heldBy(context: Context, fence: Fence, stimulus: Stimulus): Attempt {
  const attempt = context.state.attempts.get(keyOf(fence));
  if (attempt === undefined) throw misplaced(context, fence, stimulus, undefined);
  return attempt;
}

function misplaced(context: Context, fence: Fence, stimulus: Stimulus, attempt: Attempt | undefined): Error {
  const from = attempt?.phase ?? 'none';
  return invalidTransition(fence, attempt?.story ?? [], {
    monoMs: context.now.mono,
    from,
    stimulus,
    to: from,
  });
}
