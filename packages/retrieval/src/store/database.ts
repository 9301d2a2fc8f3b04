/**
 * The store's database: one SQLite file (with its write-ahead log while it is open).
 *
 * 1. WAL with synchronous=FULL: a commit is on the disk when it returns, and a reader keeps the state it began with.
 * 2. `state` counts what is written (`generation`), so that a connection knows when what it remembers is old, also when
 *    another process wrote.
 * 3. Ids of passages and segments are never given twice.
 */
import { DatabaseSync, type DatabaseSyncInstance } from '@photostructure/sqlite';
import { FEEDBACK_SCHEMA } from './feedback-table.ts';
import { PSEUDONYM_SCHEMA } from './pseudonym-table.ts';
import { StoreError } from './store.ts';
import { VECTOR_SCHEMA } from './vector-table.ts';

/** Goes up when an older program could not read what is written. */
const FORMAT = 5;
const BUSY_MS = 10_000;

const SCHEMA = `
  CREATE TABLE state (id INTEGER PRIMARY KEY CHECK (id = 1), generation INTEGER NOT NULL, next_chunk INTEGER NOT NULL,
    next_segment INTEGER NOT NULL);
  INSERT INTO state VALUES (1, 0, 1, 1);
  CREATE TABLE collection (id INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE);
  CREATE TABLE source (id INTEGER PRIMARY KEY, collection INTEGER NOT NULL, key TEXT NOT NULL, path TEXT NOT NULL,
    title TEXT, revision TEXT, hash TEXT NOT NULL, cause TEXT, UNIQUE (collection, key));
  CREATE TABLE chunk (id INTEGER PRIMARY KEY, source INTEGER NOT NULL, seq INTEGER NOT NULL, start_line INTEGER NOT NULL,
    end_line INTEGER NOT NULL, headings TEXT NOT NULL, symbols TEXT NOT NULL, text TEXT NOT NULL, place TEXT);
  CREATE INDEX chunk_source ON chunk (source);
  CREATE TABLE segment (id INTEGER PRIMARY KEY, collection INTEGER NOT NULL, chunks BLOB NOT NULL, ties BLOB NOT NULL,
    lengths BLOB NOT NULL, dead BLOB NOT NULL);
  CREATE TABLE posting (segment INTEGER NOT NULL, term TEXT NOT NULL, list BLOB NOT NULL,
    PRIMARY KEY (segment, term)) WITHOUT ROWID;
`;

export interface State {
  readonly generation: number;
  readonly nextChunk: number;
  readonly nextSegment: number;
}

export function openForWriting(path: string, cacheBytes: number): DatabaseSyncInstance {
  return attempt(() => {
    const db = new DatabaseSync(path, { timeout: BUSY_MS });
    db.exec(`PRAGMA page_size = 8192; PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; PRAGMA temp_store = MEMORY;
      PRAGMA journal_size_limit = ${64 * 1024 ** 2}; PRAGMA cache_size = ${-Math.ceil(cacheBytes / 1024)}`);
    transaction(db, () => {
      const { user_version: format } = db.prepare('PRAGMA user_version').get() as { user_version: number };
      if (format > FORMAT)
        throw new StoreError(
          'newer',
          `The store has format ${format}; this program reads formats up to ${FORMAT}.`,
        );
      if (format === 0) db.exec(SCHEMA);
      else if (format < 2) db.exec('ALTER TABLE chunk ADD COLUMN place TEXT');
      if (format < 3) db.exec(FEEDBACK_SCHEMA);
      if (format < 4) db.exec(VECTOR_SCHEMA);
      if (format < 5) db.exec(PSEUDONYM_SCHEMA);
      if (format < FORMAT) db.exec(`PRAGMA user_version = ${FORMAT}`);
    });
    return db;
  });
}

export function openForReading(path: string, cacheBytes: number): DatabaseSyncInstance {
  return attempt(() => {
    const db = new DatabaseSync(path, { readOnly: true, timeout: BUSY_MS });
    db.exec(`PRAGMA cache_size = ${-Math.ceil(cacheBytes / 1024)}; PRAGMA query_only = 1`);
    return db;
  });
}

export function readState(db: DatabaseSyncInstance): State {
  const row = db.prepare('SELECT generation, next_chunk, next_segment FROM state').get() as Record<
    string,
    number
  >;
  return {
    generation: row.generation as number,
    nextChunk: row.next_chunk as number,
    nextSegment: row.next_segment as number,
  };
}

export function writeState(db: DatabaseSyncInstance, { generation, nextChunk, nextSegment }: State): void {
  db.prepare('UPDATE state SET generation = ?, next_chunk = ?, next_segment = ?').run(
    generation,
    nextChunk,
    nextSegment,
  );
}

/** All of it or nothing. */
export function transaction<Result>(db: DatabaseSyncInstance, work: () => Result): Result {
  return attempt(() => {
    db.exec('BEGIN IMMEDIATE');
    try {
      const result = work();
      db.exec('COMMIT');
      return result;
    } catch (error) {
      if (db.isTransaction) db.exec('ROLLBACK');
      throw error;
    }
  });
}

/** Reads as of one moment. */
export function snapshot<Result>(db: DatabaseSyncInstance, work: () => Result): Result {
  return attempt(() => {
    db.exec('BEGIN');
    try {
      return work();
    } finally {
      if (db.isTransaction) db.exec('ROLLBACK');
    }
  });
}

/** SQLite's failures as the store's. */
export function attempt<Result>(work: () => Result): Result {
  try {
    return work();
  } catch (error) {
    const { code, message } = error as { code?: unknown; message: string };
    if (error instanceof StoreError || typeof code !== 'string' || !/sqlite/i.test(code)) throw error;
    throw new StoreError(/locked|busy/i.test(message) ? 'busy' : 'io', `The store's database: ${message}`);
  }
}
