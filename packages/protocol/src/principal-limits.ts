/** How much of the grid one principal may take. */
import type { PrincipalId } from './ids.ts';

/** What is left out has no limit of its own. */
export interface PrincipalLimits {
  /** Its part of the grid against others', where all want more than there is; without it 1. */
  readonly weight?: number;
  /** Tasks that wait: a submission beyond is refused. 0: it may submit nothing. */
  readonly queued?: number;
  /** Tasks placed at a time: others wait. 0: none of its tasks is placed. */
  readonly running?: number;
  /** Submissions, in the long run; `submitBurst` of them (default: those of one second) may come at once. */
  readonly submitsPerSecond?: number;
  readonly submitBurst?: number;
  /** Bodies of its unfinished tasks, each counted for itself. */
  readonly bodiesBytes?: number;
}

export interface PrincipalLimitTable {
  /** Of who is not named. */
  readonly everybody: PrincipalLimits;
  readonly named: ReadonlyMap<PrincipalId, PrincipalLimits>;
}

export const noPrincipalLimits: PrincipalLimitTable = { everybody: {}, named: new Map() };
