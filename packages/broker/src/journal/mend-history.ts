/**
 * Looks whether the table of finished tasks is sound, and makes a new one of what of it is when it is not. What log and
 * snapshots still hold is folded into the new one by whoever folds next (history-table.ts, `whole`).
 *
 *   history.db → history.rebuilt.db (complete) → the damaged one put aside → history.db
 *
 * 1. At every moment of a crash there is the old table, or a complete new one under one of its two names.
 * 2. What cannot be made again is told: that it is gone, and up to which commit.
 */
import { existsSync, renameSync, rmSync } from 'node:fs';
import { basename, join } from 'node:path';
import { DatabaseSync, type DatabaseSyncInstance } from '@photostructure/sqlite';
import { openForReading } from './database.ts';
import { createHistory, historyFormat, historySchema, soundRows } from './history-table.ts';
import type { Finding } from './journal.ts';
import { JournalError } from './journal.ts';
import { databaseFiles, historyPath, putAside, syncFolder } from './journal-files.ts';
import { isDamage } from './sqlite-failure.ts';

export interface Mending {
  readonly dir: string;
  readonly wallMs: number;
  /** The newest snapshot: of what ended before it, some is in the table alone. 0: all is in the log. */
  readonly snapshotSeq: number;
  /** Damage that a reader met, in words. */
  readonly met?: string;
}

/** Leaves a sound table or none. Throws JournalError `newer`, and what writing throws. */
export function mendHistory({ dir, wallMs, snapshotSeq, met }: Mending): Finding[] {
  const path = historyPath(dir);
  const rebuilt = join(dir, 'history.rebuilt.db');
  if (existsSync(path)) rmSync(rebuilt, { force: true });
  else if (existsSync(rebuilt)) finish(dir, rebuilt, path);
  if (!existsSync(path)) {
    if (snapshotSeq === 0) return [];
    return [finding(`is gone: of what ended up to commit ${snapshotSeq}, only the newest is listed`)];
  }
  const wrong = met ?? whatIsWrong(path, snapshotSeq);
  if (wrong === undefined) return [];
  const kept = salvage(path, `${rebuilt}.new`);
  renameSync(`${rebuilt}.new`, rebuilt);
  putAside(dir, wallMs, databaseFiles(basename(path)));
  finish(dir, rebuilt, path);
  const lost =
    snapshotSeq === 0
      ? 'what else there was is in the log'
      : `of what else ended up to commit ${snapshotSeq}, only the newest is listed`;
  return [finding(`was damaged (${wrong}) and is made anew: ${kept} tasks were kept, ${lost}`)];
}

function finish(dir: string, rebuilt: string, path: string): void {
  renameSync(rebuilt, path);
  syncFolder(dir);
}

/** In words; undefined when the table at `path` is sound. Damage within a row is not looked for. */
export function whatIsWrong(path: string, snapshotSeq: number): string | undefined {
  const db = openForReading(path);
  try {
    return wrongIn(db, path, snapshotSeq);
  } catch (error) {
    if (!isDamage(error)) throw error;
    return error.message;
  } finally {
    db.close();
  }
}

function wrongIn(db: DatabaseSyncInstance, path: string, snapshotSeq: number): string | undefined {
  const { user_version: format } = db.prepare('PRAGMA user_version').get() as { user_version: number };
  // A process that ended while it made the table.
  if (format === 0 && snapshotSeq === 0 && tablesOf(db) === '[]') return undefined;
  const isOurs = tablesOf(db) === tablesOf(ours());
  // A flipped bit in the number leaves our tables as they are.
  if (format > historyFormat && !isOurs) {
    throw new JournalError(
      'newer',
      `${path} has format ${format}; this program reads ${historyFormat}. Start the newer gryphgen, or move the file away.`,
    );
  }
  if (format !== historyFormat) return `it has format ${format}`;
  if (!isOurs) return 'its tables are not as they were made';
  const [check] = db.prepare('PRAGMA quick_check(1)').all() as { quick_check: string }[];
  if (check?.quick_check !== 'ok') return check?.quick_check;
  const place = db.prepare('SELECT seq, whole FROM position').all() as { seq: unknown; whole: unknown }[];
  const isPlace = place.length === 1 && Number.isSafeInteger(place[0]?.seq) && Number(place[0]?.seq) >= 0;
  return isPlace && [0, 1].includes(place[0]?.whole as number) ? undefined : 'its position is lost';
}

function ours(): DatabaseSyncInstance {
  const db = new DatabaseSync(':memory:');
  db.exec(historySchema);
  return db;
}

function tablesOf(db: DatabaseSyncInstance): string {
  return JSON.stringify(db.prepare('SELECT type, name, tbl_name, rootpage, sql FROM sqlite_schema').all());
}

/** Returns how many rows could be kept. */
function salvage(from: string, to: string): number {
  rmSync(to, { force: true });
  const db = openForReading(from);
  try {
    return createHistory(to, soundRows(db));
  } finally {
    db.close();
  }
}

function finding(what: string): Finding {
  return {
    kind: 'history',
    seq: null,
    what: `The table of finished tasks ${what}.`,
    expected: null,
    found: null,
  };
}
