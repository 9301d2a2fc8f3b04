/**
 * Exclusive use of a folder by one process. The lock is the operating system's, taken by SQLite on a file of its own and
 * held in an open transaction: a killed process lets go of it, and a pid that was given out again cannot hold it.
 *
 * Not of this package's index: who needs no lock should not load SQLite, and the journal's thread nothing but this.
 *
 * 1. Nothing else may open the lock's file: closing any other descriptor of it in this process would drop the lock.
 */
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { DatabaseSync } from '@photostructure/sqlite';

export interface FolderLock {
  release(): void;
}

const BUSY = 5;

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
  const db = new DatabaseSync(join(dir, `${name}.lock`), { timeout: 0 });
  const note = join(dir, `${name}.holder`);
  try {
    db.exec('BEGIN EXCLUSIVE');
  } catch (error) {
    db.close();
    if (!isBusy(error)) throw error;
    return { heldBy: read(note) ?? 'another process' };
  }
  try {
    writeFileSync(note, `${holder}\n`);
  } catch {
    // A full disk: whoever comes next is told less, and kept out all the same.
  }
  return {
    lock: {
      release() {
        db.exec('ROLLBACK');
        db.close();
      },
    },
  };
}

function isBusy(error: unknown): boolean {
  return (
    error instanceof Error &&
    'errcode' in error &&
    typeof error.errcode === 'number' &&
    (error.errcode & 0xff) === BUSY
  );
}

function read(path: string): string | undefined {
  try {
    return readFileSync(path, 'utf8').trim() || undefined;
  } catch {
    return undefined;
  }
}
