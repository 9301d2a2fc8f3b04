/** One step in the making: the state, the time, and the effects so far. */
import {
  attemptReportBytes,
  type Failure,
  type Heartbeat,
  type Report,
  type Result,
  type Served,
  type Started,
} from '@gryphgen/protocol';
import type { WorkerEffect } from './effects.ts';
import type { Exit, Now } from './events.ts';
import { type Fence, keyOf } from './fence.ts';
import type { StoryEntry } from './phases.ts';
import type { Attempt, LeaseFacts, WorkerState } from './state.ts';

export interface Context {
  readonly state: WorkerState;
  readonly now: Now;
  readonly effects: WorkerEffect[];
}

export const noOutcome = new Uint8Array(0);

/** Without a session there is nobody to tell: what must be known is told again when there is one. */
export function send(context: Context, message: Heartbeat | Result | Started | Served | Report): void {
  if (context.state.session !== null) context.effects.push({ kind: 'send', message });
}

export function sendResult(context: Context, attempt: Attempt): void {
  if (attempt.result === null || context.state.session === null) return;
  attempt.resultSentMono = context.now.mono;
  send(context, attempt.result);
}

export function holdAttempt(
  context: Context,
  fence: Fence,
  facts: LeaseFacts,
  phase: Attempt['phase'],
  story: StoryEntry[],
): Attempt {
  const attempt: Attempt = {
    key: keyOf(fence),
    fence,
    facts,
    phase,
    startedMono: context.now.mono,
    stopping: null,
    reading: null,
    fetched: null,
    vramBytes: null,
    peakVramBytes: null,
    overuse: null,
    warnedOfOveruse: false,
    served: null,
    dropped: false,
    result: null,
    resultSentMono: Number.NEGATIVE_INFINITY,
    story,
  };
  context.state.attempts.set(attempt.key, attempt);
  context.state.listedBytes += attemptReportBytes(facts);
  return attempt;
}

/** The result an attempt ends with, kept until it is acknowledged (E10). */
export function conclude(
  context: Context,
  attempt: Attempt,
  exitCode: number,
  failure: Failure | null,
  { outcome, usage }: Pick<Exit, 'outcome' | 'usage'>,
): void {
  const ranMs = Math.max(0, Math.round(context.now.mono - attempt.startedMono));
  const { task, attempt: number, epoch } = attempt.fence;
  const { peakVramBytes } = attempt;
  const used = peakVramBytes === null ? usage : { ...usage, peakVramBytes };
  attempt.result = {
    ...{ kind: 'result', task, attempt: number, epoch, exitCode, failure, ranMs, outcome },
    ...(used !== undefined && { usage: used }),
  };
  if (failure !== null) {
    context.effects.push({
      kind: 'note',
      note: { kind: 'ended', fence: attempt.fence, exitCode, why: failure.message },
    });
  }
  sendResult(context, attempt);
}

export function forget(context: Context, attempt: Attempt): void {
  if (context.state.attempts.delete(attempt.key))
    context.state.listedBytes -= attemptReportBytes(attempt.facts);
  context.effects.push({ kind: 'forget', fence: attempt.fence });
}
