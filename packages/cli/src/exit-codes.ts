/**
 * What `grid` exits with (cli.md): 0 done · 1 the task failed · 2 usage or invalid file · 3 refused or can never be
 * placed · 4 cancelled · 5 timed out · 6 the grid cannot be reached · 7 not allowed · 70 a bug in grid.
 */
import { constants } from 'node:os';
import { exitCodeOf, type Failure, type OutcomeState } from '@gryphgen/protocol';

export const failedExit = 1;
export const usageExit = 2;
export const impossibleExit = 3;
export const bugExit = 70;
/** Ctrl-C: the shell's habit, 128 + SIGINT. Following was given up; the task goes on. */
export const interruptedExit = 130;

export const endSignals = ['SIGINT', 'SIGTERM', 'SIGHUP'] as const;
export type EndSignal = (typeof endSignals)[number];

/** As a shell tells that a signal ended a program. */
export function exitCodeOfSignal(name: EndSignal): number {
  return 128 + constants.signals[name];
}

export function exitCodeOfOutcome(state: OutcomeState, failure: Failure | null): number {
  switch (state) {
    case 'succeeded':
      return 0;
    case 'cancelled':
      return 4;
    case 'failed':
      return failure === null ? 1 : exitCodeOf(failure.code);
  }
}
