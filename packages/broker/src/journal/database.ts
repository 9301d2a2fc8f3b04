/**
 * One journal database: how it is opened, what its tables are, and who may write to it.
 *
 * 1. A commit is on the disk before it is answered: the store syncs the log itself (wal-file.ts).
 * 2. `state` is one row with a check of its own, so that a flipped bit in it is told from a newer format.
 * 3. A group's row moves to `digests` when a snapshot has replaced it; the chain stays whole across both, but for what
 *    `gaps` lists: stretches lost to damage that was found, with the digest at their end.
 * 4. close() lets go of the file only when the connection's statements have been collected, since the binding cannot
 *    finalize them. So a journal lives in a thread of its own, which ends with it, and nothing relies on close().
 * 5. user_version is the format, in every format: the one thing that an old program may rely on.
 */
import { closeSync, existsSync, openSync, readSync } from 'node:fs';
import { DatabaseSync, type DatabaseSyncInstance } from '@photostructure/sqlite';
import { hex, journalFormat, sha256 } from './digest-chain.ts';
import { JournalError } from './journal.ts';
import { isDamage } from './sqlite-failure.ts';

export interface DatabaseSettings {
  /** SQLite's page. Small groups cost one page of log each, so larger pages make single commits dearer. */
  readonly pageBytes: number;
  /** Another connection (the fold's reader) holds a lock for moments only. */
  readonly busyMs: number;
}

/** `program`: the version that last opened the journal for writing. */
export interface StateRow {
  readonly format: number;
  readonly epoch: number;
  readonly program: string;
}

const SCHEMA = `
  CREATE TABLE state (id INTEGER PRIMARY KEY CHECK (id = 1), format INTEGER NOT NULL, epoch INTEGER NOT NULL,
    program TEXT NOT NULL, digest BLOB NOT NULL);
  CREATE TABLE groups (seq INTEGER PRIMARY KEY, epoch INTEGER NOT NULL, format INTEGER NOT NULL,
    previous BLOB NOT NULL, content BLOB NOT NULL, digest BLOB NOT NULL, named BLOB NOT NULL,
    records BLOB NOT NULL);
  CREATE TABLE digests (seq INTEGER PRIMARY KEY, epoch INTEGER NOT NULL, format INTEGER NOT NULL,
    content BLOB NOT NULL, digest BLOB NOT NULL);
  CREATE TABLE blobs (id INTEGER PRIMARY KEY, hash BLOB NOT NULL, seq INTEGER NOT NULL, bytes BLOB NOT NULL);
  CREATE TABLE gaps (first INTEGER PRIMARY KEY, last INTEGER NOT NULL, digest BLOB NOT NULL, at INTEGER NOT NULL);
`;

/** A new database at `path`, in rollback mode so that it is one file when it is renamed into place. */
export function createDatabase(
  path: string,
  settings: DatabaseSettings,
  state: StateRow,
): DatabaseSyncInstance {
  const db = new DatabaseSync(path, { timeout: settings.busyMs });
  db.exec(`PRAGMA page_size = ${settings.pageBytes}; PRAGMA synchronous = FULL; BEGIN; ${SCHEMA}`);
  writeState(db, state);
  db.exec('COMMIT');
  return db;
}

/** SQLite reads a file whose "write version" it does not know, and refuses to write it: only ever damage, here. */
export function forbidsWriting(path: string): boolean {
  const file = openSync(path, 'r');
  try {
    const header = Buffer.alloc(20);
    readSync(file, header, 0, header.byteLength, 0);
    return (header[18] ?? 0) > 2;
  } finally {
    closeSync(file);
  }
}

/**
 * Whether the tables are those this program makes: their text and where they begin, which are the same in every journal
 * with one page size. A flipped bit in the schema can make a table empty, or rename a column, and SQLite does not mind.
 */
export function hasOurTables(db: DatabaseSyncInstance): boolean {
  const { page_size: pageBytes } = db.prepare('PRAGMA page_size').get() as { page_size: number };
  return tablesOf(db) === ourTables(pageBytes);
}

const tablesByPageSize = new Map<number, string>();

function ourTables(pageBytes: number): string {
  let tables = tablesByPageSize.get(pageBytes);
  if (tables === undefined) {
    const fresh = new DatabaseSync(':memory:');
    fresh.exec(`PRAGMA page_size = ${pageBytes}; ${SCHEMA}`);
    tables = tablesOf(fresh);
    fresh.close();
    tablesByPageSize.set(pageBytes, tables);
  }
  return tables;
}

function tablesOf(db: DatabaseSyncInstance): string {
  return JSON.stringify(
    db.prepare('SELECT type, name, tbl_name, rootpage, sql FROM sqlite_schema ORDER BY rowid').all(),
  );
}

/** Without settings: for as long as SQLite's binding waits for a lock by itself. */
export function openForReading(
  path: string,
  settings?: Pick<DatabaseSettings, 'busyMs'>,
): DatabaseSyncInstance {
  takeBackUnfinished(path);
  return new DatabaseSync(path, { readOnly: true, ...(settings && { timeout: settings.busyMs }) });
}

/**
 * Takes back what a killed process had begun to write before there was a write-ahead log: the tables, or the turn to that
 * log. SQLite does so by itself, and lets alone what a living process writes, but refuses whoever opens it only to read.
 */
function takeBackUnfinished(path: string): void {
  if (!existsSync(`${path}-journal`)) return;
  const db = new DatabaseSync(path);
  try {
    db.exec('PRAGMA user_version');
  } catch (error) {
    // The reader will meet the damage, and tell it.
    if (!isDamage(error)) throw error;
  } finally {
    db.close();
  }
}

/** Ends what it reads as of one moment, if it does: closing alone would go on holding that back (4). */
export function closeReader(db: DatabaseSyncInstance): void {
  if (db.isTransaction) db.exec('ROLLBACK');
  db.close();
}

/** Syncs and checkpoints are the store's to time; the log shrinks back to `walBytes` after a burst. */
export function openForWriting(
  path: string,
  settings: DatabaseSettings,
  walBytes: number,
): DatabaseSyncInstance {
  const db = new DatabaseSync(path, { timeout: settings.busyMs });
  db.exec(`PRAGMA journal_mode = WAL; PRAGMA synchronous = NORMAL; PRAGMA wal_autocheckpoint = 0;
    PRAGMA journal_size_limit = ${walBytes};`);
  return db;
}

export function writeState(db: DatabaseSyncInstance, state: StateRow): void {
  db.prepare('INSERT OR REPLACE INTO state (id, format, epoch, program, digest) VALUES (1, ?, ?, ?, ?)').run(
    state.format,
    state.epoch,
    state.program,
    stateDigest(state),
  );
  db.exec(`PRAGMA user_version = ${state.format}`);
}

/** The state row when it is whole; undefined when it is damaged or missing. Throws for a newer format. */
export function readState(db: DatabaseSyncInstance, program: string): StateRow | undefined {
  const version = db.prepare('PRAGMA user_version').get() as { user_version: number };
  const row = stateRowOf(db);
  const whole = row !== undefined && sqliteBytesEqual(row.digest, stateDigest(row));
  const format = whole ? row.format : version.user_version;
  if (format > journalFormat) {
    const writer = row === undefined ? 'a newer gryphgen' : `gryphgen ${row.program}`;
    throw new JournalError(
      'newer',
      `The journal has format ${format}, written by ${writer}; this is gryphgen ${program}, which reads formats up to ` +
        `${journalFormat}. Start ${writer} or newer on it.`,
    );
  }
  return whole && version.user_version === format ? row : undefined;
}

function stateRowOf(db: DatabaseSyncInstance): (StateRow & { digest: unknown }) | undefined {
  const row = db.prepare('SELECT * FROM state WHERE id = 1').get() as
    | { format: unknown; epoch: unknown; program: unknown; digest: unknown }
    | undefined;
  if (row === undefined) return undefined;
  const { format, epoch, program, digest } = row;
  if (typeof format !== 'number' || typeof epoch !== 'number' || typeof program !== 'string')
    return undefined;
  return { format, epoch, program, digest };
}

function stateDigest(state: StateRow): Uint8Array {
  return sha256(Buffer.from(JSON.stringify(['gryphgen journal', state.format, state.epoch, state.program])));
}

function sqliteBytesEqual(found: unknown, expected: Uint8Array): boolean {
  return found instanceof Uint8Array && hex(found) === hex(expected);
}
