/**
 * What may happen to a client. The shell turns messages, timers and its callers' wishes into these.
 *
 * A `ref` names a caller's wish; the shell chooses it, each once, and gets it back in the effects that answer it.
 */
import type { Failure, Operation, TaskId, Timers, ToClient } from '@gryphgen/protocol';

/** Milliseconds, never going back. The client needs no wall clock. */
export interface Now {
  readonly mono: number;
}

export interface SubmitEvent {
  readonly kind: 'submit';
  readonly ref: number;
  /** '' means none. */
  readonly key: string;
  /** msgpack of an Envelope. Kept until it is answered, so the caller must not change it. */
  readonly envelope: Uint8Array;
  readonly body: Uint8Array;
  /** Its changes too, not only its end. */
  readonly progress: boolean;
}

export interface WatchEvent {
  readonly kind: 'watch';
  readonly ref: number;
  readonly task: TaskId;
  /** Its changes too, not only its end. */
  readonly progress: boolean;
}

export interface RequestEvent {
  readonly kind: 'request';
  readonly ref: number;
  readonly op: Operation;
  readonly args: unknown;
}

export type ClientEvent =
  | { readonly kind: 'sessionOpened'; readonly session: string; readonly timers: Timers }
  | { readonly kind: 'sessionClosed' }
  /** No further try can help: everything pending fails with it, and everything asked later. */
  | { readonly kind: 'refused'; readonly failure: Failure }
  | { readonly kind: 'message'; readonly session: string; readonly message: ToClient }
  | SubmitEvent
  | WatchEvent
  | RequestEvent
  /** The caller no longer waits: of a submission or watch, its end; of a request, the reply. */
  | { readonly kind: 'forget'; readonly ref: number }
  /** Somebody waits for `room`; it may come at once. */
  | { readonly kind: 'wantRoom' }
  | { readonly kind: 'tick' };
