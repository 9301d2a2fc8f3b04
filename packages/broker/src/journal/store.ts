/**
 * The journal as synchronous calls on one database: what the journal's thread does, and what tests can do without one.
 *
 * 1. One append is one transaction, and one sync: the epoch is still ours, the blobs, the group. It fails whole. What
 *    removes needs no sync of its own: the next append's is its too.
 * 2. After a failure other than a full disk nothing more is written: a failed sync says nothing about what is on disk.
 * 3. A blob that is here is not stored again; every group lists what it names, so that nothing named lately goes.
 * 4. Removing folded groups, and blobs that nothing needs, goes in small transactions, between which commits take place.
 */
import type { DatabaseSyncInstance } from '@photostructure/sqlite';
import type { AcknowledgedFile } from './acknowledged-file.ts';
import type { BlobIndex } from './blob-index.ts';
import type { ChainGroup, ChainPoint } from './chain-reader.ts';
import { knownDigest } from './digest-audit.ts';
import { contentDigest, genesis, hex, journalFormat, linkDigest } from './digest-chain.ts';
import type { GroupRow, Witnessed } from './journal.ts';
import { JournalError } from './journal.ts';
import { failureOfWrite } from './sqlite-failure.ts';
import type { WalFile } from './wal-file.ts';

export interface StoredBlob {
  readonly hash: Uint8Array;
  readonly bytes: Uint8Array;
}

export interface StoreOptions {
  readonly dir: string;
  readonly epoch: number;
  readonly head: ChainPoint;
  readonly blobs: BlobIndex;
  readonly wal: WalFile;
  readonly acknowledged: AcknowledgedFile;
  /** Pages of log after which it is written back into the database. */
  readonly checkpointPages: number;
  readonly pageBytes: number;
}

/** Bounds of one transaction that removes groups or blobs, so that a commit waits for one only briefly. */
export interface CompactionStep {
  readonly rows: number;
  readonly bytes: number;
}

export class Store {
  readonly epoch: number;
  readonly #db: DatabaseSyncInstance;
  readonly #options: StoreOptions;
  readonly #statements: ReturnType<typeof prepare>;
  #head: ChainPoint;
  #failed: JournalError | undefined;
  /** About as many pages as were written to the log since it was last written back. */
  #logPages = 0;

  constructor(db: DatabaseSyncInstance, options: StoreOptions) {
    this.#db = db;
    this.#options = options;
    this.#head = options.head;
    this.#statements = prepare(db);
    this.epoch = options.epoch;
  }

  get head(): ChainPoint {
    return this.#head;
  }

  /** Durable when it returns. Throws JournalError. */
  append(records: Uint8Array, blobs: readonly StoredBlob[]): ChainPoint {
    const named = Buffer.concat(blobs.map(({ hash }) => hash));
    const link = {
      seq: this.#head.seq + 1,
      epoch: this.epoch,
      format: journalFormat,
      previous: this.#head.digest,
      content: contentDigest(records, named),
    };
    const group: ChainGroup = { ...link, digest: linkDigest(link), named, records };
    const { blobs: index, acknowledged } = this.#options;
    const places = blobs.map(({ hash }) => index.get(hash)?.id);
    this.#transaction(() => {
      blobs.forEach((blob, at) => {
        places[at] ??= this.#insertBlob(blob, group.seq);
      });
      this.#insertGroup(group);
    });
    this.#sync();
    blobs.forEach(({ hash }, at) => {
      index.set(hash, { id: places[at] as number, seq: group.seq });
    });
    this.#head = { seq: group.seq, digest: group.digest };
    acknowledged.note(this.#head);
    this.#logPages += 3 + this.#pagesOf(records);
    return this.#head;
  }

  #pagesOf(bytes: Uint8Array): number {
    return bytes.byteLength / this.#options.pageBytes;
  }

  #insertBlob({ hash, bytes }: StoredBlob, seq: number): number {
    this.#logPages += this.#pagesOf(bytes);
    return this.#statements.blob.run(hash, seq, bytes).lastInsertRowid as number;
  }

  #insertGroup(group: ChainGroup): void {
    const now = this.#statements.epoch.get() as { epoch: number };
    if (now.epoch !== this.epoch) {
      throw new JournalError(
        'fenced',
        `This broker's journal epoch is ${this.epoch}, but another broker has opened it with epoch ${now.epoch}.`,
      );
    }
    const { seq, epoch, format, previous, content, digest, named, records } = group;
    this.#statements.group.run(seq, epoch, format, previous, content, digest, named, records);
  }

  #transaction(work: () => void): void {
    if (this.#failed !== undefined) throw this.#failed;
    try {
      this.#statements.begin.run();
      work();
      this.#statements.commit.run();
    } catch (error) {
      const failure = failureOfWrite(error, this.#options.dir);
      if (failure.code !== 'full') this.#failed = failure;
      if (this.#db.isTransaction) this.#db.exec('ROLLBACK');
      throw failure;
    }
  }

  #sync(): void {
    try {
      this.#options.wal.sync();
    } catch (error) {
      const why = error instanceof Error ? error.message : String(error);
      const words = `The journal in ${this.#options.dir} cannot be synced: ${why}.`;
      this.#failed = new JournalError('io', words, error);
      throw this.#failed;
    }
  }

  /**
   * To be called between appends: writes the log back into the database when it has grown long. A full disk leaves the
   * log as it is; a later call tries again.
   */
  checkpoint(mode: 'PASSIVE' | 'TRUNCATE' = 'PASSIVE'): void {
    if (this.#logPages < this.#options.checkpointPages || this.#failed !== undefined) return;
    this.#logPages = 0;
    try {
      this.#db.exec(`PRAGMA wal_checkpoint(${mode})`);
    } catch (error) {
      const failure = failureOfWrite(error, this.#options.dir);
      if (failure.code !== 'full') this.#failed = failure;
    }
  }

  blob(hash: Uint8Array): Uint8Array | undefined {
    const place = this.#options.blobs.get(hash);
    if (place === undefined) return undefined;
    const row = this.#statements.readBlob.get(place.id, hash) as { bytes: Uint8Array } | undefined;
    return row?.bytes;
  }

  digestAt(seq: number): Uint8Array | undefined {
    return seq === 0 ? genesis : knownDigest(this.#db, seq);
  }

  checkWitness(seq: number, digest: string): Witnessed {
    if (seq > this.#head.seq) return 'cut';
    const known = this.digestAt(seq);
    if (known === undefined) return 'unknown';
    return hex(known) === digest ? 'known' : 'diverged';
  }

  /** The groups after `seq`, as many as fit into `maxBytes`, at least one. */
  read(seq: number, maxBytes: number): GroupRow[] {
    const rows: GroupRow[] = [];
    let bytes = 0;
    for (const row of this.#statements.read.iterate(seq) as IterableIterator<GroupRow>) {
      rows.push(row);
      bytes += row.records.byteLength;
      if (bytes >= maxBytes) break;
    }
    return rows;
  }

  /** Turns some of the groups up to `seq` into bare digests; true when none is left. */
  compact(seq: number, { rows, bytes }: CompactionStep): boolean {
    const sizes = this.#statements.sizes.all(seq, rows) as { seq: number; size: number }[];
    let last = 0;
    let sum = 0;
    for (const { seq: at, size } of sizes) {
      last = at;
      sum += size;
      if (sum >= bytes) break;
    }
    if (last > 0) {
      this.#transaction(() => {
        this.#statements.keepDigests.run(last);
        this.#statements.removeGroups.run(last);
      });
      this.#logPages += 8;
    }
    return sizes.length < rows && last === (sizes.at(-1)?.seq ?? 0);
  }

  /**
   * Removes blobs that nothing needed at commit `seq`, but for those that a later group named again; returns how many
   * of `hashes` it came to.
   */
  removeBlobs(hashes: readonly Uint8Array[], seq: number, { rows, bytes }: CompactionStep): number {
    const index = this.#options.blobs;
    const going: { readonly hash: Uint8Array; readonly id: number }[] = [];
    let sum = 0;
    let seen = 0;
    for (; seen < hashes.length && going.length < rows && sum < bytes; seen += 1) {
      const hash = hashes[seen] as Uint8Array;
      const place = index.get(hash);
      if (place === undefined || place.seq > seq) continue;
      going.push({ hash, id: place.id });
      sum += (this.#statements.blobSize.get(place.id) as { size: number }).size;
    }
    this.#transaction(() => {
      for (const { id } of going) this.#statements.removeBlob.run(id);
    });
    for (const { hash } of going) index.delete(hash);
    this.#logPages += going.length;
    return seen;
  }

  /** Writes the log back, so that what is closed in order is one file. */
  close(): void {
    if (!this.#db.isOpen) return;
    if (this.#failed === undefined) {
      this.#logPages = this.#options.checkpointPages;
      this.checkpoint('TRUNCATE');
    }
    this.#db.close();
    this.#options.wal.close();
    this.#options.acknowledged.close();
  }
}

function prepare(db: DatabaseSyncInstance) {
  return {
    begin: db.prepare('BEGIN IMMEDIATE'),
    commit: db.prepare('COMMIT'),
    epoch: db.prepare('SELECT epoch FROM state WHERE id = 1'),
    blob: db.prepare('INSERT INTO blobs (hash, seq, bytes) VALUES (?, ?, ?)'),
    group: db.prepare(
      `INSERT INTO groups (seq, epoch, format, previous, content, digest, named, records)
       VALUES (?, ?, ?, ?, ?, ?, ?, ?)`,
    ),
    readBlob: db.prepare('SELECT bytes FROM blobs WHERE id = ? AND hash = ?'),
    read: db.prepare('SELECT seq, epoch, records FROM groups WHERE seq > ? ORDER BY seq'),
    sizes: db.prepare('SELECT seq, length(records) AS size FROM groups WHERE seq <= ? ORDER BY seq LIMIT ?'),
    keepDigests: db.prepare(
      `INSERT INTO digests (seq, epoch, format, content, digest)
       SELECT seq, epoch, format, content, digest FROM groups WHERE seq <= ?`,
    ),
    removeGroups: db.prepare('DELETE FROM groups WHERE seq <= ?'),
    blobSize: db.prepare('SELECT length(bytes) AS size FROM blobs WHERE id = ?'),
    removeBlob: db.prepare('DELETE FROM blobs WHERE id = ?'),
  };
}
