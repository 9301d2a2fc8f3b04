/** What callers give with a call, and what they get to wait for. */
import type { Changed, TaskId } from '@gryphgen/protocol';
import type { Outcome } from './pending.ts';

export interface SubmitOptions {
  /** Idempotency key: the same key of the same principal makes one task for limits.keyMs. */
  readonly key?: string;
  /** Cancels the task; `finished` then resolves as the task ends. */
  readonly signal?: AbortSignal;
  /** Told of each change of state or attempt. What it throws ends the waiting: `finished` rejects with it. */
  readonly onChange?: (change: Changed) => void;
}

export interface Submitted {
  /** When the task is durable (if it is to be). Rejects when it was refused. */
  readonly accepted: Promise<TaskId>;
  /** When it has ended. Rejects when it was refused or the grid stays away. */
  readonly finished: Promise<Outcome>;
}

export interface WatchOptions {
  /** Told of each change of state or attempt. What it throws ends the waiting: `watch` rejects with it. */
  readonly onChange?: (change: Changed) => void;
  /** Stops waiting, with the signal's reason; the task goes on. */
  readonly signal?: AbortSignal;
}
