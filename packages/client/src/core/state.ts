/**
 * All the client's core knows; one life of a client process has one.
 *
 * 1. A submission is in `submissions` until answered, its task in `awaited` from then until it ends.
 * 2. `floor` is the lowest number unanswered, or `nextSeq`: all below it were answered (E5).
 * 3. `awaited` is ordered by when the task was last watched, longest ago first.
 */
import type { ClientId, Failure, Operation, TaskId, Timers } from '@gryphgen/protocol';
import { defaultTimers, limits } from '@gryphgen/protocol';

export interface ClientBounds {
  /** Submissions unanswered, at most limits.clientOutstanding. */
  readonly outstanding: number;
  /** Tasks whose end is awaited. */
  readonly awaited: number;
  /** Requests unanswered: each is a question of one caller on the slow path. */
  readonly requests: number;
}

/** 4096 are in flight long before their memory (each with its body) matters; about 200 B for each task awaited. */
export const defaultBounds: ClientBounds = { outstanding: 4096, awaited: 1_000_000, requests: 1024 };

export interface Submission {
  readonly ref: number;
  readonly seq: number;
  readonly key: string;
  readonly envelope: Uint8Array;
  readonly body: Uint8Array;
  readonly progress: boolean;
  sentMono: number;
  /** Nobody waits for its task's end any more. */
  forgotten: boolean;
}

export interface Awaited {
  readonly task: TaskId;
  /** Who waits: submissions of one key share a task, and it may be watched besides. */
  refs: readonly number[];
  /** Of `refs`, those that want changes too. */
  progress: readonly number[];
  watchedMono: number;
}

export interface Asked {
  readonly ref: number;
  readonly id: number;
  readonly op: Operation;
  readonly args: unknown;
  sentMono: number;
}

export interface Session {
  readonly id: string;
  heartbeatSeq: number;
  heartbeatMono: number;
}

export interface ClientState {
  readonly client: ClientId;
  readonly bounds: ClientBounds;
  session: Session | null;
  timers: Timers;
  /** Set for good when the grid will not have this client. */
  refused: Failure | null;
  nextSeq: number;
  floor: number;
  readonly submissions: Map<number, Submission>;
  readonly awaited: Map<TaskId, Awaited>;
  nextRequest: number;
  readonly asked: Map<number, Asked>;
  /** Somebody was told `full` and has not been told of room since. */
  wantsRoom: boolean;
}

export function createClientState(client: ClientId, bounds: ClientBounds = defaultBounds): ClientState {
  return {
    client,
    bounds: { ...bounds, outstanding: Math.min(bounds.outstanding, limits.clientOutstanding) },
    session: null,
    timers: defaultTimers,
    refused: null,
    nextSeq: 1,
    floor: 1,
    submissions: new Map(),
    awaited: new Map(),
    nextRequest: 1,
    asked: new Map(),
    wantsRoom: false,
  };
}
