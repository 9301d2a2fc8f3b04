/**
 * Exclusive use of a journal's folder. The lock is the operating system's, taken by SQLite on a file of its own and held
 * in an open transaction: a killed process lets go of it, and a pid that was given out again cannot hold it.
 *
 * 1. Nothing else may open journal.lock: closing any other descriptor of it in this process would drop the lock.
 */
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { DatabaseSync } from '@photostructure/sqlite';
import { JournalError } from './journal.ts';
import { isBusy } from './sqlite-failure.ts';

export interface Lock {
  release(): void;
}

/** Makes the folder if there is none. Throws JournalError `locked`. `holder` is told to whoever finds the folder in use. */
export function lockFolder(dir: string, holder: string): Lock {
  mkdirSync(dir, { recursive: true, mode: 0o700 });
  const db = new DatabaseSync(join(dir, 'journal.lock'), { timeout: 0 });
  const note = join(dir, 'journal.holder');
  try {
    db.exec('BEGIN EXCLUSIVE');
  } catch (error) {
    db.close();
    if (!isBusy(error)) throw error;
    const by = existsSync(note) ? readFileSync(note, 'utf8').trim() : 'another process';
    throw new JournalError(
      'locked',
      `The journal in ${dir} is in use by ${by}. One broker at a time: stop that one, or choose another GRID_HOME.`,
      error,
    );
  }
  writeFileSync(note, `${holder}\n`);
  return {
    release() {
      db.exec('ROLLBACK');
      db.close();
    },
  };
}
