/**
 * All the worker's core knows. Changed only by `stepWorker` and `composeHello`; one life of the process has one.
 *
 * 1. `attempts` holds every attempt from the moment its lease is accepted until the broker acknowledged its result (or
 *    dropped it): what is in it is what a hello and a heartbeat list.
 * 2. Several attempts of one task may be there at once: an old one may still be stopping while a new one runs.
 */
import type {
  DeviceUuid,
  Envelope,
  Epoch,
  Fetched,
  OnLinkLost,
  Reservation,
  Result,
  TaskKind,
  Timers,
  WorkerReport,
} from '@gryphgen/protocol';
import { defaultTimers } from '@gryphgen/protocol';
import type { Reading, ServiceState } from './events.ts';
import type { Fence } from './fence.ts';
import type { LeaseNumbers } from './lease-numbers.ts';
import type { Phase, StoryEntry } from './phases.ts';

/** What the worker itself needs to know of a lease, also after a restart: executors keep it beside the attempt. */
export interface LeaseFacts {
  readonly kind: TaskKind;
  readonly reservation: Reservation;
  /** 0: no limit. */
  readonly timeoutMs: number;
  readonly onLinkLost: OnLinkLost;
  /** Without it `defaultStopGraceMs`. */
  readonly stopGraceMs?: number;
}

export const stopWhys = ['cancel', 'drain', 'drop', 'leaseLost', 'timeout', 'overuse', 'unhealthy'] as const;
export type StopWhy = (typeof stopWhys)[number];

export interface Attempt {
  readonly key: string;
  readonly fence: Fence;
  readonly facts: LeaseFacts;
  phase: Phase;
  /** When it started, on the monotonic clock; before that, when the lease was accepted. */
  startedMono: number;
  /**
   * The first reason it is being stopped for (it names the result), in words where `why` does not say all that this life
   * knows, and when the executor kills it at the latest.
   */
  stopping: { readonly why: StopWhy; readonly words: string; killByMono: number } | null;
  /** What its executor saw last; null until then. `cpuMilli`: since the look before; undefined of the first. */
  reading: (Reading & { readonly atMono: number; readonly cpuMilli: number | undefined }) | null;
  /** How much has come of what it is given, while that comes. */
  fetched: Fetched | null;
  /** What the last look found it to hold of its devices' memory; null when it could not tell. */
  vramBytes: number | null;
  /** The most of its devices' memory that a look found it to hold; null when none could tell. */
  peakVramBytes: number | null;
  /** What the last look at the devices found it to hold beyond its reservation, in words. */
  overuse: string | null;
  warnedOfOveruse: boolean;
  /** Of a service that runs; `toldMono`: when the broker was told last. */
  served: (ServiceState & { readonly seq: number; toldMono: number }) | null;
  /** Fenced off: forget it when it has ended, report nothing. */
  dropped: boolean;
  result: Result | null;
  resultSentMono: number;
  /** Its last transitions, for when a broken invariant must be told. */
  readonly story: StoryEntry[];
}

export interface Session {
  readonly id: string;
  readonly epoch: Epoch;
  readonly leases: LeaseNumbers;
  /** Keys of the attempts its hello listed: a lease can only confirm them. */
  readonly listed: ReadonlySet<string>;
  heartbeatSeq: number;
  heartbeatMono: number;
  /** When each unacknowledged heartbeat was sent. */
  readonly sentAt: Map<number, number>;
}

export interface WorkerState {
  session: Session | null;
  timers: Timers;
  readonly attempts: Map<string, Attempt>;
  /** Keys of attempts that are brief as a rule and of which it was not told yet that they have started (E38). */
  readonly untold: Set<string>;
  /** What `attempts` take in a hello. */
  listedBytes: number;
  /** When the last acknowledged heartbeat or hello was sent (E12). */
  aliveMono: number;
  /** The hello that waits for its welcome: when it was composed, and what it listed. */
  hello: { readonly monoMs: number; readonly listed: ReadonlySet<string> } | null;
  /** The lease loss of this silence has been noted. */
  leaseLost: boolean;
  /** Of devices that the last look saw endangered: attempts in excess there, and since when, without a break. */
  suspects: ReadonlyMap<DeviceUuid, ReadonlyMap<string, number>>;
  report: WorkerReport;
  reportSeq: number;
  /** Envelopes decoded lately: tasks come in runs of one shape. */
  readonly envelopes: { readonly bytes: Uint8Array; readonly envelope: Envelope }[];
  /** How often each transition was taken, by `nameOfTransition`; the simulator prints what was never reached. */
  readonly reached: Map<string, number>;
}

export function createWorkerState(report: WorkerReport, monoMs: number): WorkerState {
  return {
    session: null,
    timers: defaultTimers,
    attempts: new Map(),
    untold: new Set(),
    listedBytes: 0,
    aliveMono: monoMs,
    hello: null,
    leaseLost: false,
    suspects: new Map(),
    report,
    reportSeq: 0,
    envelopes: [],
    reached: new Map(),
  };
}
