/** When a worker is to be empty: at once, or by plan (E17). */

/** When what still runs on a draining worker is to end (E17). */
export interface DrainDeadline {
  /** Wall ms of the order, and how long after it. */
  readonly at: number;
  readonly ms: number;
  /** By the monotonic clock of this epoch; null until its first tick, if the order is of an earlier one. */
  dueMono: number | null;
}

/** A planned drain; once begun, `at` is when it was. */
export interface DrainWindow {
  /** By whoever ordered it. */
  readonly id: string;
  /** Wall ms. */
  readonly at: number;
  /** null: until it is resumed. */
  readonly ms: number | null;
  readonly deadlineMs: number | null;
  readonly begun: boolean;
  /** Of one that has begun. */
  readonly deadline: DrainDeadline | null;
  /** When it begins or ends, by the monotonic clock of this epoch; null until its first tick. An observation. */
  dueMono: number | null;
}
