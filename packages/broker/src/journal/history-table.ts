/**
 * Finished tasks as a table to query. It is derived: what the log still holds can be folded into it again, so it may be
 * behind after a crash, and folding a group twice changes nothing.
 *
 * 1. Rows of a group and the position behind it are written together.
 * 2. It is on the disk before a snapshot lets the groups behind it go.
 * 3. It is bounded: the oldest rows give way.
 */

import type { TaskId } from '@gryphgen/protocol';
import { DatabaseSync, type DatabaseSyncInstance } from '@photostructure/sqlite';
import type { HistoryPage, HistoryQuery, HistoryRow } from './journal.ts';

const FORMAT = 1;

export interface FoldedRow extends HistoryRow {
  readonly seq: number;
}

const SCHEMA = `
  CREATE TABLE position (id INTEGER PRIMARY KEY CHECK (id = 1), seq INTEGER NOT NULL);
  INSERT INTO position VALUES (1, 0);
  CREATE TABLE finished (ord INTEGER PRIMARY KEY AUTOINCREMENT, seq INTEGER NOT NULL, task INTEGER NOT NULL UNIQUE,
    name TEXT NOT NULL, state TEXT NOT NULL, ended_at INTEGER NOT NULL, document TEXT NOT NULL);
  CREATE INDEX finished_state ON finished (state, ord);
  CREATE INDEX finished_name ON finished (name, ord);
  PRAGMA user_version = ${FORMAT};
`;

export class HistoryTable {
  readonly #db: DatabaseSyncInstance;
  readonly #maxRows: number;
  readonly #pageRows: number;

  constructor(path: string, maxRows: number, pageRows: number) {
    this.#maxRows = maxRows;
    this.#pageRows = pageRows;
    this.#db = new DatabaseSync(path);
    this.#db.exec('PRAGMA journal_mode = WAL; PRAGMA synchronous = NORMAL;');
    const { user_version: format } = this.#db.prepare('PRAGMA user_version').get() as {
      user_version: number;
    };
    if (format === 0) this.#db.exec(`BEGIN; ${SCHEMA} COMMIT;`);
    else if (format !== FORMAT) throw new Error(`history format ${format} is not ${FORMAT}`);
  }

  /** The newest group whose rows are here. */
  get position(): number {
    return (this.#db.prepare('SELECT seq FROM position').get() as { seq: number }).seq;
  }

  /** Forgets what a log that ends at `head` does not hold: its tail was cut. */
  cutTo(head: number): void {
    if (this.position <= head) return;
    this.#db.exec(
      `BEGIN; DELETE FROM finished WHERE seq > ${head}; UPDATE position SET seq = ${head}; COMMIT;`,
    );
  }

  write(rows: readonly FoldedRow[], position: number): void {
    this.#db.exec('BEGIN');
    const insert = this.#db.prepare(
      `INSERT INTO finished (seq, task, name, state, ended_at, document) VALUES (?, ?, ?, ?, ?, ?)
       ON CONFLICT (task) DO UPDATE SET seq = excluded.seq, name = excluded.name, state = excluded.state,
         ended_at = excluded.ended_at, document = excluded.document`,
    );
    for (const row of rows) insert.run(row.seq, row.task, row.name, row.state, row.endedAt, row.document);
    this.#db
      .prepare('DELETE FROM finished WHERE ord <= (SELECT max(ord) FROM finished) - ?')
      .run(this.#maxRows);
    this.#db.prepare('UPDATE position SET seq = max(seq, ?)').run(position);
    this.#db.exec('COMMIT');
  }

  sync(): void {
    this.#db.exec('PRAGMA wal_checkpoint(TRUNCATE)');
  }

  query({ limit, before, state, name }: HistoryQuery): HistoryPage {
    const rows = Math.min(limit, this.#pageRows);
    const conditions = ['ord < ?'];
    const values: (string | number)[] = [before ?? Number.MAX_SAFE_INTEGER];
    if (state !== undefined) {
      conditions.push('state = ?');
      values.push(state);
    }
    if (name !== undefined) {
      conditions.push('name = ?');
      values.push(name);
    }
    const found = this.#db
      .prepare(
        `SELECT ord, task, name, state, ended_at AS endedAt, document FROM finished
         WHERE ${conditions.join(' AND ')} ORDER BY ord DESC LIMIT ?`,
      )
      .all(...values, rows + 1) as (HistoryRow & { ord: number })[];
    const page = found.slice(0, rows);
    return {
      rows: page.map(({ ord: _, ...row }) => row),
      next: found.length > rows ? (page.at(-1)?.ord ?? null) : null,
    };
  }

  of(task: TaskId): HistoryRow | undefined {
    return this.#db
      .prepare('SELECT task, name, state, ended_at AS endedAt, document FROM finished WHERE task = ?')
      .get(task) as HistoryRow | undefined;
  }

  close(): void {
    this.#db.close();
  }
}
