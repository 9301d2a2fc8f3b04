/**
 * The durable log of what the broker decided: commit groups in an order that no crash, cut or damage can change
 * unnoticed. The broker and the simulator see only this interface; one conformance suite holds its implementations.
 *
 * 1. A group whose append resolved is replayed by every later opening, whole and in its place.
 * 2. A group whose append rejected leaves nothing half: after a crash it is there whole or not at all.
 * 3. Each opening has a higher epoch than all before it; an older opening's appends are refused from then on.
 * 4. What opens is a correct prefix of what was appended; every shortfall that can be known is a finding.
 */
import type { BlobHash, Epoch, JournalHead, TaskId } from '@gryphgen/protocol';

/** What one commit makes durable together. `records` is the broker's own encoding of its decisions. */
export interface Group {
  readonly records: Uint8Array;
  /**
   * Every blob that `records` is the first to name for some task, each once here, known to the journal or
   * not: it stores each once, and keeps it as long as a group or a task in the folded state may need it.
   */
  readonly blobs: readonly JournalBlob[];
}

/** `hash` is the sha-256 of `bytes`: the caller's promise, checked when the journal is opened. */
export interface JournalBlob {
  readonly hash: BlobHash;
  readonly bytes: Uint8Array;
}

export interface GroupRow {
  readonly seq: number;
  readonly epoch: Epoch;
  readonly records: Uint8Array;
}

/** A task that has ended, as people query it. `document` is JSON; `state` and `name` are what queries filter by. */
export interface HistoryRow {
  readonly task: TaskId;
  readonly name: string;
  readonly state: string;
  readonly endedAt: number;
  readonly document: string;
}

/** Newest task first. `before` is a former page's `next`. */
export interface HistoryQuery {
  readonly limit: number;
  readonly before?: number;
  readonly state?: string;
  readonly name?: string;
  /** Who submitted it; looked for among the newest alone, and what merely names it may come with it. */
  readonly principal?: string | null;
}

/** `next` is null when nothing older is left. */
export interface HistoryPage {
  readonly rows: readonly HistoryRow[];
  readonly next: number | null;
}

/**
 * How this journal stands to a head that a worker witnessed: it holds that commit; its tail was cut before it; it holds
 * another commit in its place; or (after damage to old digests) it cannot tell.
 */
export type Witnessed = 'known' | 'cut' | 'diverged' | 'unknown';

export interface Journal {
  readonly epoch: Epoch;
  /** The newest durable commit; seq 0 before the first. */
  head(): JournalHead;
  /** Resolves when durable. One at a time: a second append while one is in flight throws. Rejects with JournalError. */
  append(group: Group): Promise<JournalHead>;
  blob(hash: BlobHash): Promise<Uint8Array | undefined>;
  /** Digest of the chain up to `seq`, also of groups that a snapshot has replaced. */
  digestAt(seq: number): Promise<string | undefined>;
  checkWitness(head: JournalHead): Promise<Witnessed>;
  /** Tasks that ended, up to the newest durable commit. */
  history(query: HistoryQuery): Promise<HistoryPage>;
  historyOf(task: TaskId): Promise<HistoryRow | undefined>;
  /** Waits for what is in flight, then lets go of everything. Idempotent. */
  close(): Promise<void>;
}

export type FindingKind =
  /** A group is damaged or missing: all from `seq` on is lost. */
  | 'group'
  /** The log ends before a commit that is known to have been made. */
  | 'cut'
  /** The write-ahead log holds frames that cannot be read: commits may be lost. */
  | 'wal'
  /** The last commit is incomplete: the process ended while writing it and never acknowledged it, or the log was cut. */
  | 'torn'
  | 'snapshot'
  | 'blob'
  | 'digest'
  /** SQLite's own structure, or the journal's settings row. */
  | 'structure'
  /** The database file, or a blob, is not there although it had been. */
  | 'missing'
  | 'history';

/** One thing that is damaged or missing; `what` is a sentence for a person. Digests in hex, or null where there is none. */
export interface Finding {
  readonly kind: FindingKind;
  readonly seq: number | null;
  readonly what: string;
  readonly expected: string | null;
  readonly found: string | null;
}

export interface OpenedJournal {
  readonly journal: Journal;
  readonly snapshot: { readonly seq: number; readonly bytes: Uint8Array } | null;
  /** Every group after the snapshot, in order; read once, before the first append. */
  readonly groups: AsyncIterable<GroupRow>;
  readonly findings: readonly Finding[];
}

export type JournalErrorCode =
  /** No space: nothing was written; the same group may be appended again later. */
  | 'full'
  /** The disk or the journal's thread failed; what was asked is not known to be durable. Nothing more is accepted. */
  | 'io'
  /** Another broker opened the journal after us. */
  | 'fenced'
  /** Another process has it open. */
  | 'locked'
  /** Written by a newer program. */
  | 'newer'
  /** Damaged so that no correct prefix can be shown. */
  | 'damaged'
  /** The table of finished tasks is damaged; it is made anew. */
  | 'history'
  | 'closed';

export class JournalError extends Error {
  readonly code: JournalErrorCode;

  constructor(code: JournalErrorCode, message: string, cause?: unknown) {
    super(message, cause === undefined ? undefined : { cause });
    this.name = 'JournalError';
    this.code = code;
  }
}
