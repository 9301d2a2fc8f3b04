/**
 * Failures are data: a closed set of codes in families, each with a retry rule and an exit code (cli.md).
 *
 *   rejected.*     never retried: the request itself is at fault
 *   cancelled.*    never retried: somebody asked for it
 *   unplaceable.*  later: nothing can take it now
 *   lost.*         elsewhere: the attempt's worker, link or broker went away, or its machine is wanted empty
 *   execution.*    by the task's retry policy
 *   internal.*     never, and loudly: a bug of ours
 */
import { limits } from './limits.ts';

export const failureCodes = [
  'rejected.invalid',
  'rejected.forbidden',
  'rejected.impossible',
  'rejected.limit',
  'rejected.key-conflict',
  'rejected.version',
  'rejected.not-found',
  'rejected.state',
  'cancelled.user',
  'cancelled.broker',
  'unplaceable.no-worker',
  'unplaceable.journal',
  'unplaceable.timeout',
  'lost.worker',
  'lost.link',
  'lost.broker',
  'lost.drained',
  'lost.preempted',
  'execution.exit',
  'execution.oom',
  'execution.timeout',
  'execution.image',
  'execution.start',
  'execution.model',
  'execution.unhealthy',
  'execution.input',
  'execution.output',
  'internal.bug',
] as const;

export type FailureCode = (typeof failureCodes)[number];
export type FailureFamily = 'rejected' | 'cancelled' | 'unplaceable' | 'lost' | 'execution' | 'internal';

/**
 * `message` is one sentence for a person: what happened, what was expected, where; at most limits.messageChars, or no
 * peer takes the message that carries it.
 */
export interface Failure {
  readonly code: FailureCode;
  readonly message: string;
}

/** A longer message is cut: it may quote what somebody else wrote, such as the name of a program. */
export function failure(code: FailureCode, message: string): Failure {
  const { messageChars } = limits;
  return {
    code,
    message: message.length <= messageChars ? message : `${message.slice(0, messageChars - 1)}…`,
  };
}

/**
 * Lost because somebody ordered it: no failing of anybody, so it counts neither as a try nor as a loss (E16), and ends no task.
 * So no `finished` names such a code: peers of a version before it would drop the frame.
 */
export function isOrdered(code: FailureCode): boolean {
  return code === 'lost.drained' || code === 'lost.preempted';
}

export function familyOf(code: FailureCode): FailureFamily {
  return code.slice(0, code.indexOf('.')) as FailureFamily;
}

/** Thrown at the client's boundary only; inside, outcomes are returned. */
export class GridError extends Error {
  readonly code: FailureCode;
  readonly failure: Failure;

  constructor(what: Failure, cause?: unknown) {
    super(what.message, cause === undefined ? undefined : { cause });
    this.name = 'GridError';
    this.code = what.code;
    this.failure = what;
  }
}

/** What `grid` exits with when this failure ends a command (cli.md). */
export function exitCodeOf(code: FailureCode): number {
  switch (code) {
    case 'rejected.invalid':
      return 2;
    case 'rejected.forbidden':
      return 7;
    case 'execution.timeout':
    case 'unplaceable.timeout':
      return 5;
    case 'lost.broker':
      return 6;
    default:
  }
  switch (familyOf(code)) {
    case 'rejected':
    case 'unplaceable':
      return 3;
    case 'cancelled':
      return 4;
    case 'lost':
    case 'execution':
      return 1;
    case 'internal':
      return 70;
  }
}
