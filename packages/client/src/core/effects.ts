/** What the core asks the shell to do, in this order. Bytes in messages are views of the frame they came in. */
import type {
  Changed,
  Failure,
  Finished,
  Heartbeat,
  Request,
  Submit,
  TaskId,
  Watch,
} from '@gryphgen/protocol';

/** Of ClientBounds. */
export type Bound = 'outstanding' | 'awaited' | 'requests';

export type ClientEffect =
  | { readonly kind: 'send'; readonly message: Heartbeat | Submit | Watch | Request }
  /** The submission has become this task; its end follows under the same `ref`. */
  | { readonly kind: 'accepted'; readonly ref: number; readonly task: TaskId }
  /** What `ref` asked for was not done, and nothing more follows. */
  | { readonly kind: 'failed'; readonly ref: number; readonly failure: Failure }
  /** A bound of this client is reached; nothing was kept. A `room` follows when there is some again. */
  | { readonly kind: 'full'; readonly ref: number; readonly bound: Bound }
  | { readonly kind: 'room' }
  | { readonly kind: 'finished'; readonly ref: number; readonly message: Finished }
  | { readonly kind: 'changed'; readonly ref: number; readonly message: Changed }
  | { readonly kind: 'replied'; readonly ref: number; readonly result: unknown };
