/** What the core asks the shell to do, in this order. Executors answer with events, later or in the same turn. */
import type {
  DeviceShare,
  Envelope,
  Heartbeat,
  JournalHead,
  PrincipalId,
  Report,
  Result,
  Served,
  ShardHold,
  Started,
} from '@gryphgen/protocol';
import type { Fence } from './fence.ts';
import type { LeaseFacts, StopWhy } from './state.ts';

/** What an executor needs to run an attempt. */
export interface StartOrder {
  readonly fence: Fence;
  readonly facts: LeaseFacts;
  readonly envelope: Envelope;
  readonly devices: readonly DeviceShare[];
  /** As the client wrote it; the executor checks it by its kind's schema. */
  readonly body: Uint8Array;
  /** Who submitted it; undefined where the broker does not tell. */
  readonly principal?: PrincipalId | undefined;
  readonly byAdmin?: true | undefined;
  /** Of a task for a shard, as the broker knows that (E40). */
  readonly shard?: ShardHold | undefined;
}

/** Facts that somebody who runs the worker wants in its log. */
export type WorkerNote =
  | { readonly kind: 'leaseLost'; readonly silentMs: number; readonly stopped: number }
  | { readonly kind: 'leaseRefused'; readonly fence: Fence; readonly why: string }
  | { readonly kind: 'staleAck'; readonly fence: Fence; readonly phase: string }
  | { readonly kind: 'ended'; readonly fence: Fence; readonly exitCode: number; readonly why: string }
  | { readonly kind: 'overuse'; readonly fence: Fence; readonly words: string };

export type WorkerEffect =
  | { readonly kind: 'send'; readonly message: Heartbeat | Result | Started | Served | Report }
  | { readonly kind: 'start'; readonly order: StartOrder }
  /** Ask it to end now, kill it after `graceMs`. Repeated with less grace, the earlier kill counts. */
  | { readonly kind: 'stop'; readonly fence: Fence; readonly graceMs: number; readonly why: StopWhy }
  /** Others wait for what it lends: it ends soon by itself (E41). */
  | { readonly kind: 'recall'; readonly fence: Fence }
  /** Remove what the executor keeps of it (container, scratch folder). Its log stays. */
  | { readonly kind: 'forget'; readonly fence: Fence }
  /** Remember this journal head over restarts, so that a broker whose journal was cut is noticed. */
  | { readonly kind: 'witness'; readonly head: JournalHead }
  /** Give the session up and say hello again. */
  | { readonly kind: 'leaveSession'; readonly why: string }
  | { readonly kind: 'note'; readonly note: WorkerNote }
  /** A line after the attempt's own output, for whoever submitted it. */
  | { readonly kind: 'remark'; readonly fence: Fence; readonly words: string };
