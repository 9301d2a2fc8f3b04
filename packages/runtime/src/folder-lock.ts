/**
 * Exclusive use of a folder by one process. The lock is the operating system's, taken by SQLite on a file of its own and
 * held in an open transaction: a killed process lets go of it, and a pid that was given out again cannot hold it.
 *
 * Not of this package's index: who needs no lock should not load SQLite, and the journal's thread nothing but this.
 *
 * 1. Nothing else may open the lock's file: closing any other descriptor of it in this process would drop the lock.
 */
import { mkdirSync, readFileSync, truncateSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { DatabaseSync, type DatabaseSyncInstance } from '@photostructure/sqlite';

export interface FolderLock {
  release(): void;
}

/** What is locked stays locked until it is released, also when its caller forgets it: no database here may be collected. */
const held = new Set<DatabaseSyncInstance>();

const BUSY = 5;
/** CORRUPT and NOTADB. */
const WRONG_FILE: ReadonlySet<number> = new Set([11, 26]);

/**
 * Makes the folder if there is none; in it `NAME.lock` is the lock, and `NAME.holder` says who has it. Returns the
 * holder's words when that is another. Throws what the file system says.
 */
export function lockFolder(
  dir: string,
  name: string,
  holder: string,
): { readonly lock: FolderLock } | { readonly heldBy: string } {
  mkdirSync(dir, { recursive: true, mode: 0o700 });
  const note = join(dir, `${name}.holder`);
  let db: DatabaseSyncInstance;
  try {
    db = taken(join(dir, `${name}.lock`));
  } catch (error) {
    if (codeOf(error) !== BUSY) throw error;
    return { heldBy: read(note) ?? 'another process' };
  }
  try {
    writeFileSync(note, `${holder}\n`);
  } catch {
    // A full disk: whoever comes next is told less, and kept out all the same.
  }
  held.add(db);
  return {
    lock: {
      release() {
        held.delete(db);
        db.exec('ROLLBACK');
        db.close();
      },
    },
  };
}

function taken(path: string): DatabaseSyncInstance {
  try {
    return begun(path);
  } catch (error) {
    if (!WRONG_FILE.has(codeOf(error) ?? 0)) throw error;
    // What was written into the file has no meaning, and SQLite read it, so nobody has the lock.
    truncateSync(path);
    return begun(path);
  }
}

function begun(path: string): DatabaseSyncInstance {
  const db = new DatabaseSync(path, { timeout: 0 });
  try {
    db.exec('BEGIN EXCLUSIVE');
    return db;
  } catch (error) {
    db.close();
    throw error;
  }
}

/** SQLite's primary result code. */
function codeOf(error: unknown): number | undefined {
  const isCoded = error instanceof Error && 'errcode' in error && typeof error.errcode === 'number';
  return isCoded ? (error.errcode as number) & 0xff : undefined;
}

function read(path: string): string | undefined {
  try {
    return readFileSync(path, 'utf8').trim() || undefined;
  } catch {
    return undefined;
  }
}
