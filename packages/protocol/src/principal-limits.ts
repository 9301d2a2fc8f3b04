/** How much of the grid one principal may take. */
import type { PrincipalId } from './ids.ts';

/** What the tasks of one principal may hold at once; of what is left out, anything. */
export interface Quota {
  readonly cpuMilli?: number;
  readonly memoryBytes?: number;
  /** Of parts of devices, and of whole ones. */
  readonly vramBytes?: number;
  /** Whole ones. */
  readonly devices?: number;
}

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
  /** Of files kept beside the broker that it brought, or that its tasks have left. */
  readonly storedBytes?: number;
  /** -100..100: a submission of a higher priority is refused. Of everybody's, one that an admin makes is not held to it. */
  readonly highestPriority?: number;
  /** A task that alone needs more is refused, one that must wait for others of its principal waits. */
  readonly quota?: Quota;
}

export interface PrincipalLimitTable {
  /** Of who is not named. */
  readonly everybody: PrincipalLimits;
  readonly named: ReadonlyMap<PrincipalId, PrincipalLimits>;
}

export const noPrincipalLimits: PrincipalLimitTable = { everybody: {}, named: new Map() };
