/** What an error of SQLite means to the journal: the disk is full, the file is damaged, or the disk failed. */
import { statfsSync } from 'node:fs';
import { JournalError } from './journal.ts';

const BUSY = 5;
const IO = 10;
const FULL = 13;
/** PERM, BUSY, LOCKED, NOMEM, READONLY, INTERRUPT, FULL, CANTOPEN: they say nothing about what the file holds. */
const SURROUNDINGS = new Set([3, BUSY, 6, 7, 8, 9, FULL, 14]);

const CORRUPT = 11;
/** all() and iterate() of the binding throw SQLite's words without its code; while stepping it has few to say. */
const CODE_OF_WORDS: ReadonlyMap<string, number> = new Map([
  ['database is locked', BUSY],
  ['database table is locked', 6],
  ['out of memory', 7],
  ['interrupted', 9],
  ['disk I/O error', IO],
  ['database or disk is full', FULL],
]);

/** SQLite's primary result code. */
function sqliteCodeOf(error: unknown): number | undefined {
  if (!(error instanceof Error)) return undefined;
  if ('errcode' in error && typeof error.errcode === 'number') return error.errcode & 0xff;
  const isSqlite = 'code' in error && error.code === 'ERR_SQLITE_ERROR';
  return isSqlite ? (CODE_OF_WORDS.get(error.message) ?? CORRUPT) : undefined;
}

/**
 * Reading met something that is not as it was written: SQLite says so, or a number is larger than any we write. A disk
 * that cannot be read looks the same from here, and so does a damaged schema ("no such table").
 */
export function isDamage(error: unknown): error is Error {
  const code = sqliteCodeOf(error);
  if (code !== undefined) return !SURROUNDINGS.has(code);
  return error instanceof Error && 'code' in error && error.code === 'ERR_OUT_OF_RANGE';
}

/** `dir` lies on the journal's disk: some full disks and quotas answer with a plain write error. */
export function failureOfWrite(error: unknown, dir: string): JournalError {
  if (error instanceof JournalError) return error;
  const code = sqliteCodeOf(error);
  const why = error instanceof Error ? error.message : String(error);
  if (code === FULL || (code === IO && statfsSync(dir).bavail === 0)) {
    return new JournalError('full', `No space left for the journal in ${dir}: ${why}.`, error);
  }
  return new JournalError('io', `The journal in ${dir} cannot be written: ${why}.`, error);
}
