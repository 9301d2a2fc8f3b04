/**
 * What the passing of time asks of a worker: heartbeats with their repetitions, timeouts, the end of its lease.
 *
 * 1. E4, E10: each heartbeat lists every attempt and is followed by the results that still wait for an acknowledgement.
 * 2. E12: after `leaseMs` without an acknowledged heartbeat, `move` attempts are stopped, with or without a session.
 */
import type { ListedAttempt, Report } from '@gryphgen/protocol';
import { type Context, send, sendResult } from './context.ts';
import { tellStarted } from './executions.ts';
import { repeatServed } from './serving.ts';
import type { Attempt, Session } from './state.ts';
import { loseLease, timeOut } from './stops.ts';
import { useOf } from './use.ts';

/** Heartbeats whose send time is kept: at the default timers more than a lease's worth, so none that counts is lost. */
const rememberedHeartbeats = 64;
/** Results repeated with one heartbeat; the rest have their turn with the next, longest unsent first. */
const repeatedResults = 256;
/** A report is not acknowledged: it is told again this often, in heartbeats. */
const reportEvery = 10;

export function onTick(context: Context): void {
  const { state, now } = context;
  const { session } = state;
  if (session !== null) tellStarted(context);
  if (session !== null && now.mono - session.heartbeatMono >= state.timers.heartbeatMs)
    beat(context, session);
  endTheLate(context);
  const silentMs = now.mono - state.aliveMono;
  if (silentMs > state.timers.leaseMs) endTheCutOff(context, silentMs);
}

export function beat(context: Context, session: Session): void {
  const { state, now } = context;
  session.heartbeatSeq += 1;
  session.heartbeatMono = now.mono;
  session.sentAt.set(session.heartbeatSeq, now.mono);
  session.sentAt.delete(session.heartbeatSeq - rememberedHeartbeats);
  const attempts = [...state.attempts.values()].map((attempt): ListedAttempt => {
    const { task, attempt: number } = attempt.fence;
    const use = useOf(attempt);
    return use === undefined ? [task, number] : [task, number, use];
  });
  send(context, { kind: 'heartbeat', seq: session.heartbeatSeq, attempts });
  for (const attempt of unanswered(context)) sendResult(context, attempt);
  repeatServed(context);
  // What has not changed since the worker began was told by its hello, and has no number.
  if (state.reportSeq > 0 && session.heartbeatSeq % reportEvery === 0) sendReport(context);
}

export function sendReport(context: Context): void {
  const { reportSeq: seq, report } = context.state;
  const message: Report = { kind: 'report', seq, report };
  send(context, message);
}

/** Results sent in the last interval are still under way; the others are due. */
function unanswered({ state, now }: Context): readonly Attempt[] {
  const sentBefore = now.mono - state.timers.heartbeatMs;
  const due = [...state.attempts.values()].filter(
    (attempt) => attempt.result !== null && attempt.resultSentMono <= sentBefore,
  );
  if (due.length <= repeatedResults) return due;
  return due.sort((a, b) => a.resultSentMono - b.resultSentMono).slice(0, repeatedResults);
}

function endTheLate(context: Context): void {
  for (const attempt of context.state.attempts.values()) {
    const { timeoutMs } = attempt.facts;
    if (attempt.phase !== 'running' || timeoutMs === 0) continue;
    if (context.now.mono - attempt.startedMono >= timeoutMs) timeOut(context, attempt);
  }
}

function endTheCutOff(context: Context, silentMs: number): void {
  const { state, effects } = context;
  let stopped = 0;
  for (const attempt of state.attempts.values()) {
    const { phase, stopping, facts } = attempt;
    const runs = phase === 'starting' || phase === 'running' || phase === 'stopping';
    if (!runs || facts.onLinkLost !== 'move') continue;
    // One that is stopping already is told once more, and only if its kill would come too late.
    const soonEnough = context.now.mono + state.timers.graceMs / 2;
    if (stopping !== null && stopping.killByMono <= soonEnough) continue;
    loseLease(context, attempt);
    stopped += 1;
  }
  if (stopped > 0 || !state.leaseLost)
    effects.push({ kind: 'note', note: { kind: 'leaseLost', silentMs, stopped } });
  state.leaseLost = true;
}
