/**
 * Finished tasks as a table to query. It is derived: what log and snapshots still hold can be folded into it again, so it
 * may be behind after a crash, and folding a group twice changes nothing.
 *
 * 1. Rows of a group and the position behind it are written together.
 * 2. It is on the disk before a snapshot lets the groups behind it go.
 * 3. It is bounded: the oldest tasks give way, a batch with each write.
 * 4. A row carries a sum of its content, which is checked whenever it is read: SQLite has none.
 * 5. Its order is that of task ids, whenever a row was written: a table made again is the same table.
 */

import { crc32 } from 'node:zlib';
import type { TaskId } from '@gryphgen/protocol';
import { DatabaseSync, type DatabaseSyncInstance } from '@photostructure/sqlite';
import { openForReading } from './database.ts';
import type { HistoryPage, HistoryQuery, HistoryRow } from './journal.ts';
import { JournalError } from './journal.ts';
import { isDamage } from './sqlite-failure.ts';

export const historyFormat = 2;

export interface FoldedRow extends HistoryRow {
  readonly seq: number;
}

/** As it lies in the table. */
export interface StoredRow extends FoldedRow {
  readonly sum: number;
}

/** `whole`: 0 until everything that log and snapshots hold has been folded into it. */
export const historySchema = `
  CREATE TABLE position (id INTEGER PRIMARY KEY CHECK (id = 1), seq INTEGER NOT NULL, whole INTEGER NOT NULL);
  CREATE TABLE finished (task INTEGER PRIMARY KEY, seq INTEGER NOT NULL, name TEXT NOT NULL, state TEXT NOT NULL,
    ended_at INTEGER NOT NULL, document TEXT NOT NULL, sum INTEGER NOT NULL);
  CREATE INDEX finished_state ON finished (state, task);
  CREATE INDEX finished_name ON finished (name, task);
  INSERT INTO position VALUES (1, 0, 0);
  PRAGMA user_version = ${historyFormat};
`;

const COLUMNS = 'task, seq, name, state, ended_at AS endedAt, document, sum';
const INSERT = `INSERT INTO finished (task, seq, name, state, ended_at, document, sum) VALUES (?, ?, ?, ?, ?, ?, ?)
  ON CONFLICT (task) DO`;
const REPLACE = `${INSERT} UPDATE SET seq = excluded.seq, name = excluded.name, state = excluded.state,
  ended_at = excluded.ended_at, document = excluded.document, sum = excluded.sum`;
const KEEP = `${INSERT} NOTHING`;
/** Rows looked through for those of one principal, of whom there is no index: some 50 ms. */
const PRINCIPAL_LOOKS = 50_000;
/** Deleted with one write: more than one brings, so that a lowered bound is reached, and few enough to be quick. */
const DELETE_ROWS = 10_000;
/** One in so many goes beyond the bound, so that they are not counted again at once. */
const SPARE_PART = 100;

export interface HistoryBounds {
  readonly rows: number;
  /** Before the newest end. */
  readonly ageMs: number;
  /** One query answers with so many. */
  readonly pageRows: number;
}

export class HistoryTable {
  readonly #db: DatabaseSyncInstance;
  readonly #maxRows: number;
  readonly #maxAgeMs: number;
  readonly #pageRows: number;
  /** Of the newest end. */
  #newestMs: number;
  /** No fewer than there are: a row that replaces another counts as one more until all are counted again. */
  #atMost: number;

  /** `path` is a sound table (mend-history.ts), or not there yet. */
  constructor(path: string, { rows: maxRows, ageMs, pageRows }: HistoryBounds) {
    this.#maxRows = maxRows;
    this.#maxAgeMs = ageMs;
    this.#pageRows = pageRows;
    this.#db = new DatabaseSync(path);
    this.#guarded(() => {
      this.#db.exec('PRAGMA journal_mode = WAL; PRAGMA synchronous = NORMAL;');
      const { user_version: format } = this.#db.prepare('PRAGMA user_version').get() as {
        user_version: number;
      };
      if (format === 0) this.#db.exec(`BEGIN; ${historySchema} COMMIT;`);
    });
    this.#atMost = this.#count();
    this.#newestMs = this.#endOf('DESC');
  }

  /** `seq`: the newest group whose rows are here. */
  get position(): { readonly seq: number; readonly whole: boolean } {
    return this.#guarded(() => {
      const row = this.#db.prepare('SELECT seq, whole FROM position').get() as { seq: number; whole: number };
      return { seq: row.seq, whole: row.whole === 1 };
    });
  }

  /** Forgets what a log that ends at `head` does not hold: its tail was cut. */
  cutTo(head: number): void {
    if (this.position.seq <= head) return;
    this.#transaction(() => {
      this.#db.prepare('DELETE FROM finished WHERE seq > ?').run(head);
      this.#db.prepare('UPDATE position SET seq = ?').run(head);
    });
  }

  /** Adds rows that are not here yet, of tasks that a snapshot remembers: what a group told of them was more exact. */
  addMissing(rows: readonly FoldedRow[]): void {
    this.#transaction(() => this.#insert(KEEP, rows));
  }

  write(rows: readonly FoldedRow[], position: number, whole: boolean): void {
    this.#transaction(() => {
      this.#insert(REPLACE, rows);
      this.#removeOldest();
      this.#removeAged();
      this.#db.prepare('UPDATE position SET seq = max(seq, ?), whole = ?').run(position, whole ? 1 : 0);
    });
  }

  /** Numbers of tasks have holes (a journal that was restored), so rows are counted, and not often. */
  #removeOldest(): void {
    if (this.#atMost <= this.#maxRows) return;
    const beyond = this.#count() - this.#maxRows;
    this.#atMost = this.#maxRows + Math.max(0, beyond);
    if (beyond <= 0) return;
    const spare = Math.floor(this.#maxRows / SPARE_PART);
    const going = Math.min(beyond + spare, DELETE_ROWS);
    this.#db
      .prepare('DELETE FROM finished WHERE task IN (SELECT task FROM finished ORDER BY task LIMIT ?)')
      .run(going);
    this.#atMost -= going;
  }

  /** Looks at the oldest tasks alone: one that ran for long, between others that did not, waits until it is among them. */
  #removeAged(): void {
    const before = this.#newestMs - this.#maxAgeMs;
    if (this.#endOf('ASC') >= before) return;
    const oldest = 'SELECT task FROM finished ORDER BY task LIMIT ?';
    const { changes } = this.#db
      .prepare(`DELETE FROM finished WHERE task IN (${oldest}) AND ended_at < ?`)
      .run(DELETE_ROWS, before);
    this.#atMost -= Number(changes);
  }

  /** Of the first task, or of the last; 0 when there is none. */
  #endOf(order: 'ASC' | 'DESC'): number {
    return this.#guarded(() => {
      const row = this.#db.prepare(`SELECT ended_at FROM finished ORDER BY task ${order} LIMIT 1`).get();
      return (row as { ended_at: number } | undefined)?.ended_at ?? 0;
    });
  }

  #count(): number {
    return this.#guarded(() => {
      const { count } = this.#db.prepare('SELECT count(*) AS count FROM finished').get() as { count: number };
      return count;
    });
  }

  /** Of a write that failed nothing is left, here or in the table: the next one begins where this one did. */
  #transaction(work: () => void): void {
    const [atMost, newestMs] = [this.#atMost, this.#newestMs];
    this.#guarded(() => {
      try {
        this.#db.exec('BEGIN');
        work();
        this.#db.exec('COMMIT');
      } catch (error) {
        this.#atMost = atMost;
        this.#newestMs = newestMs;
        // Of a full disk SQLite has rolled back by itself.
        if (this.#db.isTransaction) this.#db.exec('ROLLBACK');
        throw error;
      }
    });
  }

  #insert(statement: string, rows: readonly FoldedRow[]): void {
    const insert = this.#db.prepare(statement);
    for (const row of rows) insert.run(...valuesOf(row));
    this.#atMost += rows.length;
    for (const { endedAt } of rows) this.#newestMs = Math.max(this.#newestMs, endedAt);
  }

  sync(): void {
    this.#guarded(() => this.#db.exec('PRAGMA wal_checkpoint(TRUNCATE)'));
  }

  query({ limit, before, state, name, principal }: HistoryQuery): HistoryPage {
    const rows = Math.min(limit, this.#pageRows);
    const conditions = ['task < ?'];
    const values: (string | number)[] = [before ?? Number.MAX_SAFE_INTEGER];
    if (state !== undefined) {
      conditions.push('state = ?');
      values.push(state);
    }
    if (name !== undefined) {
      conditions.push('name = ?');
      values.push(name);
    }
    if (principal != null) {
      conditions.push(
        `task >= ifnull((SELECT task FROM finished ORDER BY task DESC LIMIT 1 OFFSET ${PRINCIPAL_LOOKS - 1}), 0)`,
        'instr(document, ?) > 0',
      );
      values.push(`"principal":${JSON.stringify(principal)}`);
    }
    const found = this.#rows(
      `WHERE ${conditions.join(' AND ')} ORDER BY task DESC LIMIT ?`,
      ...values,
      rows + 1,
    );
    const page = found.slice(0, rows);
    return { rows: page, next: found.length > rows ? (page.at(-1)?.task ?? null) : null };
  }

  of(task: TaskId): HistoryRow | undefined {
    return this.#rows('WHERE task = ?', task)[0];
  }

  #rows(where: string, ...values: readonly (string | number)[]): HistoryRow[] {
    return this.#guarded(() => {
      const rows = this.#db.prepare(`SELECT ${COLUMNS} FROM finished ${where}`).all(...values) as StoredRow[];
      return rows.map((row) => {
        if (!isSound(row)) throw damaged(`the row of t${row.task} has damaged content`);
        const { task, name, state, endedAt, document } = row;
        return { task, name, state, endedAt, document };
      });
    });
  }

  #guarded<T>(work: () => T): T {
    try {
      return work();
    } catch (error) {
      throw isDamage(error) ? damaged(error.message) : error;
    }
  }

  close(): void {
    this.#db.close();
  }
}

/** `why` becomes a part of the finding that tells of the mending. */
function damaged(why: string): JournalError {
  return new JournalError('history', why);
}

function isSound(row: StoredRow): boolean {
  return sumOf(row) === row.sum;
}

function valuesOf(row: FoldedRow): [number, number, string, string, number, string, number] {
  const { task, seq, name, state, endedAt, document } = row;
  return [task, seq, name, state, endedAt, document, sumOf(row)];
}

function sumOf({ task, seq, name, state, endedAt, document }: FoldedRow): number {
  return crc32(JSON.stringify([task, seq, name, state, endedAt, document]));
}

/** Each sound row of a damaged table, from its front as far as can be read, then from its end. */
export function* soundRows(db: DatabaseSyncInstance): Generator<StoredRow> {
  let last = -1;
  for (const direction of ['ASC', 'DESC']) {
    try {
      const statement = db.prepare(`SELECT ${COLUMNS} FROM finished ORDER BY task ${direction}`);
      for (const row of statement.iterate() as IterableIterator<StoredRow>) {
        if (direction === 'DESC' && row.task <= last) return;
        if (direction === 'ASC') last = row.task;
        if (isSound(row)) yield row;
      }
      return;
    } catch (error) {
      if (!isDamage(error)) throw error;
    }
  }
}

/** A complete table of these rows, in one file; returns how many there are. */
export function createHistory(path: string, rows: Iterable<FoldedRow>): number {
  const db = new DatabaseSync(path);
  db.exec(`PRAGMA synchronous = FULL; BEGIN; ${historySchema}`);
  const insert = db.prepare(KEEP);
  let count = 0;
  let newest = 0;
  for (const row of rows) {
    insert.run(...valuesOf(row));
    newest = Math.max(newest, row.seq);
    count += 1;
  }
  db.prepare('UPDATE position SET seq = ?').run(newest);
  db.exec('COMMIT');
  db.close();
  return count;
}

/** Reads every row of a sound table: how many are whole, and which are not. */
export function countFinished(path: string): { readonly sound: number; readonly damaged: readonly TaskId[] } {
  const db = openForReading(path);
  const damaged: TaskId[] = [];
  let sound = 0;
  try {
    // A process that ended while it made the table.
    if (db.prepare('SELECT 1 FROM sqlite_schema').get() === undefined) return { sound, damaged };
    const rows = db.prepare(`SELECT ${COLUMNS} FROM finished`).iterate() as IterableIterator<StoredRow>;
    for (const row of rows) {
      if (isSound(row)) sound += 1;
      else damaged.push(row.task);
    }
    return { sound, damaged };
  } finally {
    db.close();
  }
}
