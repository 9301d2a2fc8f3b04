/**
 * Who is owed an answer: one entry for each `ref` of the core, from the call until its last answer.
 *
 * Bytes that leave here are copies: those in messages are views of a frame that is gone when the call returns.
 */
import {
  type Changed,
  type Failure,
  type Finished,
  formatTaskId,
  type GridError,
  type OutcomeState,
  type TaskId,
} from '@gryphgen/protocol';

/** How a task ended. A task that failed is an answer, not an error: look at `state`. */
export interface Outcome {
  readonly id: string;
  readonly task: TaskId;
  readonly state: OutcomeState;
  /** Of the last attempt; null when it had none. */
  readonly exitCode: number | null;
  /** How many it had. */
  readonly attempts: number;
  /** Null exactly when it succeeded. */
  readonly failure: Failure | null;
  /** The executor's result as msgpack, at most limits.outcomeBytes; empty when it has none. */
  readonly result: Uint8Array;
}

export interface Deferred<T> {
  readonly promise: Promise<T>;
  readonly resolve: (value: T) => void;
  readonly reject: (error: unknown) => void;
}

export type Pending =
  | {
      readonly kind: 'submission';
      readonly accepted: Deferred<TaskId>;
      readonly finished: Deferred<Outcome>;
      readonly onChange: ((change: Changed) => void) | undefined;
    }
  | {
      readonly kind: 'watch';
      readonly finished: Deferred<Outcome>;
      readonly onChange: ((change: Changed) => void) | undefined;
    }
  | { readonly kind: 'request'; readonly replied: Deferred<unknown> };

/** A caller that awaits only one of two promises must not die of the other's rejection. */
export function deferred<T>(): Deferred<T> {
  let resolve: (value: T) => void = ignore;
  let settleBadly: (error: unknown) => void = ignore;
  const promise = new Promise<T>((onValue, onError) => {
    resolve = onValue;
    settleBadly = onError;
  });
  const reject = (error: unknown): void => {
    promise.catch(ignore);
    settleBadly(error);
  };
  return { promise, resolve, reject };
}

function ignore(): void {}

export function failPending(pending: Pending, error: GridError): void {
  if (pending.kind === 'request') pending.replied.reject(error);
  else pending.finished.reject(error);
  // No effect on one that was accepted before: it is resolved.
  if (pending.kind === 'submission') pending.accepted.reject(error);
}

export function outcomeOf({ task, attempt, state, exitCode, failure, outcome }: Finished): Outcome {
  const result = outcome.length === 0 ? outcome : Uint8Array.from(outcome);
  const code = exitCode < 0 ? null : exitCode;
  return { id: formatTaskId(task), task, state, exitCode: code, attempts: attempt, failure, result };
}

/** An answer with its bytes (a specification's) as the caller's own. */
export function ownBytes(result: unknown): unknown {
  if (typeof result !== 'object' || result === null || Array.isArray(result)) return result;
  const entries = Object.entries(result);
  if (!entries.some(([, value]) => value instanceof Uint8Array)) return result;
  return Object.fromEntries(
    entries.map(([name, value]) => [name, value instanceof Uint8Array ? Uint8Array.from(value) : value]),
  );
}
