/**
 * Folds the log into state and history beside the broker: follows the chain from the last snapshot, and saves the state
 * as the next one when asked.
 *
 * 1. It reads the log through its own connection, in short reads, and never writes to it.
 * 2. It believes a group only if it checks, as an opening does: a snapshot must not make damage permanent.
 * 3. The two newest snapshots are kept; groups go when the older of the two covers them.
 */
import { rmSync } from 'node:fs';
import type { Epoch, TaskId } from '@gryphgen/protocol';
import type { DatabaseSyncInstance } from '@photostructure/sqlite';
import { type ChainPoint, readGroups } from './chain-reader.ts';
import { openForReading } from './database.ts';
import { genesis, hex } from './digest-chain.ts';
import type { Folder } from './folder.ts';
import { type FoldedRow, HistoryTable } from './history-table.ts';
import type { Finding, HistoryPage, HistoryQuery, HistoryRow } from './journal.ts';
import { JournalError } from './journal.ts';
import { historyPath, snapshotPath, snapshotsIn } from './journal-files.ts';
import { mendHistory } from './mend-history.ts';
import type { JournalSettings } from './settings.ts';
import { isSnapshot, readSnapshot, type Snapshot, writeSnapshot } from './snapshot-file.ts';
import { failureOfWrite } from './sqlite-failure.ts';

/** Rows of history written in one transaction: bounds what one holds in memory. */
const BATCH_ROWS = 5000;
/** Groups folded in one read. */
const READ_GROUPS = 100;
/** Blobs looked at in one read. */
const PAGE_BLOBS = 4096;

export interface StartFoldArgs {
  readonly dir: string;
  readonly path: string;
  readonly folder: string;
  readonly settings: JournalSettings;
  readonly snapshotSeq: number;
  readonly head: number;
  readonly wallMs: number;
  /** Damage that a reader of the table of finished tasks met, in words; null where none did. */
  readonly damagedHistory: string | null;
}

/** `older`: the snapshot before it, whose groups and dead blobs may go now. */
export interface SnapshotTaken {
  readonly seq: number;
  readonly bytes: number;
  readonly older: { readonly seq: number; readonly dead: Uint8Array } | null;
}

export class FoldOperations {
  readonly #folder: Folder<unknown>;
  readonly #args: StartFoldArgs;
  readonly #log: DatabaseSyncInstance;
  readonly #history: HistoryTable;
  #state: unknown;
  #end: ChainPoint;
  #epoch = 0;
  readonly findings: readonly Finding[];

  /** Throws JournalError. */
  constructor(args: StartFoldArgs, folder: Folder<unknown>) {
    this.#args = args;
    this.#folder = folder;
    const { dir, settings, snapshotSeq, damagedHistory, wallMs } = args;
    this.findings = this.#attempt(() =>
      damagedHistory === null ? [] : mendHistory({ dir, wallMs, snapshotSeq, met: damagedHistory }),
    );
    this.#history = new HistoryTable(historyPath(dir), {
      rows: settings.historyRows,
      ageMs: settings.historyAgeMs,
      pageRows: settings.historyPageRows,
    });
    this.#history.cutTo(args.head);
    const { whole } = this.#history.position;
    const from = whole ? snapshotSeq : (snapshotsIn(dir)[0] ?? 0);
    const snapshot = from === 0 ? undefined : soundSnapshot(dir, from);
    this.#state = snapshot === undefined ? folder.empty() : folder.load(snapshot.state);
    this.#end = snapshot ?? { seq: 0, digest: genesis };
    this.#epoch = snapshot?.epoch ?? 0;
    this.#log = openForReading(args.path, settings);
    if (whole) return;
    this.#history.addMissing(folder.finished(this.#state).map((row) => ({ ...row, seq: from })));
    this.advance(snapshotSeq);
  }

  /** Folds every group up to `to`, in parts: while one read lasts, the log cannot begin anew and grows. */
  advance(to: number): void {
    for (let before = -1; this.#end.seq < to && this.#end.seq > before; ) {
      before = this.#end.seq;
      this.#advancePart(Math.min(to, before + READ_GROUPS));
    }
    if (this.#end.seq >= this.#args.snapshotSeq) this.#write([]);
  }

  #advancePart(to: number): void {
    let rows: FoldedRow[] = [];
    const groups = readGroups(this.#log, this.#end, to);
    for (let next = groups.next(); ; next = groups.next()) {
      if (next.done) {
        if (next.value !== undefined) throw new JournalError('damaged', next.value.what);
        break;
      }
      const { seq, epoch, records, digest } = next.value;
      const ended = this.#folder.applyGroup(this.#state, epoch as Epoch, records);
      this.#end = { seq, digest };
      this.#epoch = epoch;
      for (const row of ended) rows.push({ ...row, seq });
      if (rows.length >= BATCH_ROWS) {
        this.#write(rows);
        rows = [];
      }
    }
    this.#write(rows);
  }

  /** Saves the state as it is folded so far. */
  snapshot(): SnapshotTaken {
    const { dir } = this.#args;
    const { seq, digest } = this.#end;
    const before = snapshotsIn(dir).filter((at) => at < seq);
    this.#attempt(() => this.#history.sync());
    const snapshot = {
      seq,
      epoch: this.#epoch,
      digest,
      state: this.#folder.save(this.#state),
      dead: this.#dead(),
    };
    const bytes = this.#attempt(() => writeSnapshot(dir, snapshot));
    for (const old of before.slice(0, -1)) rmSync(snapshotPath(dir, old));
    const older = before.at(-1);
    return {
      seq,
      bytes,
      older: older === undefined ? null : { seq: older, dead: soundSnapshot(dir, older).dead },
    };
  }

  history(query: HistoryQuery): HistoryPage {
    return this.#history.query(query);
  }

  historyOf(task: TaskId): HistoryRow | undefined {
    return this.#history.of(task);
  }

  close(): void {
    this.#log.close();
    this.#history.close();
  }

  #write(rows: readonly FoldedRow[]): void {
    const { seq } = this.#end;
    this.#attempt(() => this.#history.write(rows, seq, seq >= this.#args.snapshotSeq));
  }

  /** Blobs stored by now that no task in the state needs. */
  #dead(): Uint8Array {
    const live = new Set<string>(this.#folder.liveBlobs(this.#state));
    const dead: Uint8Array[] = [];
    const page = this.#log.prepare(
      'SELECT id, hash FROM blobs WHERE id > ? AND seq <= ? ORDER BY id LIMIT ?',
    );
    for (let last = 0; ; ) {
      const rows = page.all(last, this.#end.seq, PAGE_BLOBS) as { id: number; hash: Uint8Array }[];
      if (rows.length === 0) return Buffer.concat(dead);
      dead.push(Buffer.concat(rows.map(({ hash }) => hash).filter((hash) => !live.has(hex(hash)))));
      last = rows.at(-1)?.id ?? 0;
    }
  }

  #attempt<T>(work: () => T): T {
    try {
      return work();
    } catch (error) {
      throw failureOfWrite(error, this.#args.dir);
    }
  }
}

function soundSnapshot(dir: string, seq: number): Snapshot {
  const read = readSnapshot(dir, seq);
  if (!isSnapshot(read)) throw new JournalError('damaged', read.what);
  return read;
}
