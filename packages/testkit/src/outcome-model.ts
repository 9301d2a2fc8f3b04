/**
 * A sequential model of one task: given what its executor really did and what was asked of it, which outcomes may it
 * have? Knows nothing of sessions, leases or journals.
 */
import type { Failure, OutcomeState } from '@gryphgen/protocol';
import { asksModel, limits } from '@gryphgen/protocol';
import type { Run } from './physical-check.ts';
import { holdsTooMuch, resultOf, type Script } from './task-script.ts';

export interface Ending {
  readonly state: OutcomeState;
  readonly failure: Failure | null;
  readonly attempt: number;
  readonly outcome: Uint8Array;
}

export interface TaskPast {
  readonly script: Script;
  /** What ran as the attempt that the outcome names. */
  readonly run: Run | undefined;
  /** Attempts so far that ended in execution.*, and in lost.* that nobody ordered, this one not counted. */
  readonly failures: number;
  readonly losses: number;
  readonly cancelAsked: boolean;
  /** When somebody was told that the cancel is noted; null when nobody was. */
  readonly cancelToldAt: number | null;
  /** When the worker was first told to stop this attempt. */
  readonly stopTakenAt: number | undefined;
}

/** Why the outcome cannot be, in words; undefined when it may. */
export function wrongWith(ending: Ending, past: TaskPast): string | undefined {
  switch (ending.state) {
    case 'succeeded':
      return wrongSuccess(ending, past);
    case 'cancelled':
      return past.cancelAsked || isUnloaded(ending, past) ? undefined : 'nobody asked to cancel it';
    case 'failed':
      return wrongFailure(ending, past);
  }
}

/** E15: an attempt that had succeeded when the stop came has succeeded; none begins after that. */
function wrongSuccess({ outcome }: Ending, past: TaskPast): string | undefined {
  const { script, run, cancelToldAt, stopTakenAt } = past;
  if (run?.end !== 'ok') return `its attempt ${run === undefined ? 'never ran' : `ended: ${run.end}`}`;
  if (script.envelope.restart === 'always' && !past.cancelAsked) return 'it is to run always';
  if (Buffer.compare(outcome, resultOf(script)) !== 0) return `its result is ${outcome.length} other bytes`;
  if (stopTakenAt !== undefined && run.startedAt > stopTakenAt) {
    return `its attempt started ${Math.round(run.startedAt - stopTakenAt)} ms after its worker was told to stop it`;
  }
  if (cancelToldAt !== null && run.leasedAt > cancelToldAt) {
    return `its attempt was leased ${Math.round(run.leasedAt - cancelToldAt)} ms after the cancel was acknowledged`;
  }
  return undefined;
}

/** By the broker itself. */
function isUnloaded({ failure }: Ending, { script }: TaskPast): boolean {
  return failure?.code === 'cancelled.broker' && script.envelope.kind === 'instance';
}

function isEverUnhealthy({ service }: Script): boolean {
  return service !== null && Number.isFinite(service.unhealthyMs);
}

/** A worker's clock may run fast. */
const slackMs = 50;

function wrongFailure({ failure }: Ending, past: TaskPast): string | undefined {
  const { script, run, failures, losses } = past;
  const { retries, restart, timeoutMs, queueTimeoutMs, durable } = script.envelope;
  const { code } = failure ?? { code: 'none' };
  const { kind } = script.envelope;
  // What waits for a model that is in trouble, or was removed.
  if (asksModel(kind) && (code === 'execution.model' || code === 'rejected.not-found')) return undefined;
  // No machine that is left could hold its model: the one that could was removed.
  if (asksModel(kind) && !durable && code === 'rejected.impossible') return undefined;
  if (code.startsWith('execution.')) {
    if (past.cancelAsked && past.cancelToldAt !== null)
      return 'its cancel was acknowledged, so it is never a failure';
    // An instance that does not come up is given up.
    if (kind === 'instance') return undefined;
    if (restart !== undefined) return 'it is begun again after each failure';
    if (failures < retries.limit) return `it has ${retries.limit} retries and used ${failures}`;
    if (code === 'execution.timeout') {
      // One that nobody watched meanwhile may have ended by itself, too late.
      const late = run !== undefined && run.endedAt - run.startedAt + slackMs >= timeoutMs;
      return timeoutMs > 0 && (run?.end === 'stopped' || late) ? undefined : `no timeout: ${run?.end}`;
    }
    if (code === 'execution.unhealthy')
      return run?.end === 'stopped' && isEverUnhealthy(script) ? undefined : 'it was never unhealthy';
    // Ended for a neighbour's sake.
    if (code === 'execution.oom' && run?.end === 'stopped' && holdsTooMuch(script)) return undefined;
    const expected = { 'execution.exit': 'exit', 'execution.oom': 'oom', 'execution.start': 'start' }[
      code as string
    ];
    return run?.end === expected ? undefined : `its attempt ended: ${run?.end ?? 'never ran'}`;
  }
  if (code === 'unplaceable.timeout') return queueTimeoutMs > 0 ? undefined : 'it may wait for ever';
  if (code === 'lost.broker') return durable ? 'a durable task outlives the broker' : undefined;
  if (code === 'lost.drained') return 'a drain ends no task';
  if (code === 'lost.preempted') return 'what is ended for others is tried again';
  // Nobody needs one of a former specification tried again, nor one that has failed too often: another is begun.
  if (code.startsWith('lost.') && kind === 'instance') return undefined;
  if (code.startsWith('lost.'))
    return losses >= limits.losses ? undefined : `only ${losses} attempts were lost before`;
  return 'no task of this workload ends so';
}
