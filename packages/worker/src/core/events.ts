/** What may happen to the worker. The shell turns messages, timers and the executors' reports into these. */
import type {
  Epoch,
  Failure,
  Fetched,
  Served,
  Timers,
  ToWorker,
  Usage,
  WorkerReport,
} from '@gryphgen/protocol';
import type { SeenDevice } from './device-claims.ts';
import type { Fence } from './fence.ts';
import type { LeaseFacts, StopWhy } from './state.ts';

/** Milliseconds. `mono` never goes back within one life of the process; `wall` may jump. */
export interface Now {
  readonly mono: number;
  readonly wall: number;
}

/** What an attempt uses. `cpuMs`: in all so far; `memoryBytes`: now. */
export interface Reading {
  readonly cpuMs: number;
  readonly memoryBytes: number;
}

/** How an attempt's work ended. `stopped`: by our own signal; false when it ended before one reached it. */
export interface Exit {
  /** -1 when there is none. */
  readonly exitCode: number;
  /** What ended it when the exit code does not tell (out of memory, keeper lost), else null. */
  readonly failure: Failure | null;
  readonly outcome: Uint8Array;
  readonly stopped: boolean;
  /** As far as the executor saw it; of devices it sees nothing. */
  readonly usage?: Usage | undefined;
}

/** Where others reach a running attempt, the same list for as long as nothing of it changes, and how well it is. */
export type ServiceState = Pick<Served, 'ports' | 'health'>;

/** What an executor found of an earlier life of this worker. `ranMs`: so far, or in all. */
export interface AdoptedAttempt {
  readonly fence: Fence;
  readonly facts: LeaseFacts;
  /** What the earlier life was ending it for, if it was. */
  readonly stopping: StopWhy | null;
  readonly found:
    | { readonly phase: 'running'; readonly ranMs: number }
    | { readonly phase: 'ended'; readonly ranMs: number; readonly exit: Exit };
}

export type WorkerEvent =
  /** The welcome that answers the hello composed last; the link drops any other. */
  | {
      readonly kind: 'sessionOpened';
      readonly session: string;
      readonly epoch: Epoch;
      readonly timers: Timers;
    }
  | { readonly kind: 'sessionClosed' }
  | { readonly kind: 'message'; readonly session: string; readonly message: ToWorker }
  /** Once, before the first hello. */
  | { readonly kind: 'adopted'; readonly attempts: readonly AdoptedAttempt[] }
  | { readonly kind: 'started'; readonly fence: Fence }
  | { readonly kind: 'exited'; readonly fence: Fence; readonly exit: Exit }
  /** Now and then, while it runs; also late. */
  | { readonly kind: 'used'; readonly fence: Fence; readonly reading: Reading }
  | { readonly kind: 'served'; readonly fence: Fence; readonly service: ServiceState }
  | { readonly kind: 'startFailed'; readonly fence: Fence; readonly failure: Failure }
  | { readonly kind: 'reportChanged'; readonly report: WorkerReport }
  /** A look at the devices; empty when it failed. */
  | { readonly kind: 'devicesSeen'; readonly devices: readonly SeenDevice[] }
  /** `fetched`: of all attempts that wait for what they are given, by their keys; absent: as before. */
  | { readonly kind: 'tick'; readonly fetched?: ReadonlyMap<string, Fetched> | undefined };
