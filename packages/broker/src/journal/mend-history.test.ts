/**
 * The table of finished tasks with random damage: what is listed afterwards is as it was, or it is told that some is gone.
 */
import {
  copyFileSync,
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { BlobHash, TaskId } from '@gryphgen/protocol';
import { DatabaseSync } from '@photostructure/sqlite';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { FoldOperations } from './fold-operations.ts';
import type { Folder } from './folder.ts';
import type { Finding, HistoryRow } from './journal.ts';
import { JournalError } from './journal.ts';
import { openStore } from './open-store.ts';
import { journalSettings } from './settings.ts';

const scratch = existsSync('/dev/shm') ? '/dev/shm' : tmpdir();
const settings = { ...journalSettings, historyPageRows: 50 };
const tasks = 200;
/** Of the snapshots, and so of what the log still holds. */
const [older, newer] = [120, 160];
const remembered = 10;

const rowOf = (task: number): HistoryRow => ({
  task: task as TaskId,
  name: `task-${task % 3}`,
  state: 'succeeded',
  endedAt: task,
  document: JSON.stringify({ task, words: 'of a document '.repeat(20) }),
});

/** Remembers its newest tasks, as the broker's does. */
const folder: Folder<{ tasks: number[] }> = {
  empty: () => ({ tasks: [] }),
  load: (bytes) => JSON.parse(Buffer.from(bytes).toString()),
  save: (state) => Buffer.from(JSON.stringify(state)),
  applyGroup(state, _, records) {
    const task = Number(Buffer.from(records).toString());
    state.tasks.push(task);
    return [rowOf(task)];
  },
  finished: ({ tasks: ended }) => ended.slice(-remembered).map(rowOf),
  liveBlobs: (): BlobHash[] => [],
};

/** mulberry32: the same damage in each run. */
function seeded(seed: number): (below: number) => number {
  let state = seed;
  return (below) => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) % below;
  };
}

const start = (dir: string, snapshotSeq: number, damagedHistory: string | null = null) => {
  const path = join(dir, 'journal-1.db');
  const fold = { dir, path, folder: '', settings, snapshotSeq, head: tasks, wallMs: 1, damagedHistory };
  return new FoldOperations(fold, folder as Folder<unknown>);
};

/** Opens as the journal does, and lists all. */
function listed(dir: string): {
  readonly rows: readonly HistoryRow[];
  readonly findings: readonly Finding[];
} {
  const { store, snapshot, findings } = openStore({ dir, settings, program: '0.1.0', wallMs: 0 });
  const told = [...findings];
  let fold: FoldOperations | undefined;
  const list = (met: string | null): HistoryRow[] => {
    fold = start(dir, snapshot?.seq ?? 0, met);
    told.push(...fold.findings);
    fold.advance(tasks);
    const rows: HistoryRow[] = [];
    for (let before: number | null | undefined; before !== null; ) {
      const page = fold.history({ limit: 1000, ...(before === undefined ? {} : { before }) });
      rows.push(...page.rows);
      before = page.next;
    }
    return rows;
  };
  try {
    return { rows: list(null), findings: told };
  } catch (error) {
    if (!(error instanceof JournalError) || error.code !== 'history') throw error;
    fold?.close();
    return { rows: list(error.message), findings: told };
  } finally {
    fold?.close();
    store.close();
  }
}

describe('the table of finished tasks', { timeout: 60_000 }, () => {
  let home: string;
  let sound: string;
  let dir: string;
  const path = (name: string) => join(dir, name);

  beforeAll(() => {
    home = mkdtempSync(join(scratch, 'history-'));
    sound = join(home, 'sound');
    dir = join(home, 'damaged');
    mkdirSync(sound);
    const { store } = openStore({ dir: sound, settings, program: '0.1.0', wallMs: 0 });
    for (let n = 1; n <= tasks; n += 1) store.append(Buffer.from(String(n)), []);
    const fold = start(sound, 0);
    for (const seq of [older, newer]) {
      fold.advance(seq);
      fold.snapshot();
    }
    while (!store.compact(older, { rows: 1000, bytes: 1e9 }));
    // Some of it in the write-ahead log, as a killed broker leaves it.
    fold.advance(tasks);
    for (const name of ['history.db', 'history.db-wal']) copyFileSync(join(sound, name), join(home, name));
    fold.close();
    store.close();
    for (const name of ['history.db', 'history.db-wal']) copyFileSync(join(home, name), join(sound, name));
  });
  afterAll(() => rmSync(home, { recursive: true }));

  const fresh = () => {
    rmSync(dir, { recursive: true, force: true });
    cpSync(sound, dir, { recursive: true });
  };
  const all = Array.from({ length: tasks }, (_, at) => rowOf(tasks - at));
  const stillKnown = all.filter(({ task }) => task > older - remembered);

  it('is complete while nothing is damaged', () => {
    fresh();
    expect(listed(dir)).toEqual({ rows: all, findings: [] });
  });

  it('that is gone is made of what log and snapshots hold, and it is told that the rest is lost', () => {
    fresh();
    rmSync(path('history.db'));
    rmSync(path('history.db-wal'));
    const { rows, findings } = listed(dir);
    expect(rows).toEqual(stillKnown);
    expect(findings).toMatchObject([{ kind: 'history', what: expect.stringContaining(`commit ${newer}`) }]);
    expect(listed(dir)).toEqual({ rows: stillKnown, findings: [] });
  });

  it('is put in place by the next opening when the one that made it anew was cut short', () => {
    fresh();
    rmSync(path('history.db-wal'));
    writeFileSync(path('history.rebuilt.db'), readFileSync(path('history.db')));
    rmSync(path('history.db'));
    expect(listed(dir)).toEqual({ rows: all, findings: [] });
  });

  it('is as it was when its making was cut short, however often', () => {
    for (const name of ['history.db', 'journal-1.db']) {
      fresh();
      cutShort(path(name));
      expect(listed(dir), name).toEqual({ rows: all, findings: [] });
      expect(existsSync(path(`${name}-journal`))).toBe(false);
    }
  });

  it('of a newer format is refused with words', () => {
    fresh();
    rmSync(path('history.db-wal'));
    const db = new DatabaseSync(path('history.db'));
    db.exec('ALTER TABLE finished ADD COLUMN more; PRAGMA user_version = 9');
    db.close();
    expect(() => listed(dir)).toThrow(
      expect.objectContaining({ code: 'newer', message: expect.stringContaining('has format 9') }),
    );
  });

  it('never lists what was not so, and tells when something is missing, whatever is damaged', () => {
    let shorter = 0;
    let told = 0;
    for (let seed = 1; seed <= 150; seed += 1) {
      const below = seeded(seed);
      fresh();
      const name = path(below(4) === 0 ? 'history.db-wal' : 'history.db');
      const bytes = readFileSync(name);
      writeFileSync(name, damage(bytes, below));
      const { rows, findings } = listed(dir);
      const known = new Map(rows.map((row) => [row.task as number, row]));
      for (const row of rows) expect(row, `seed ${seed}`).toEqual(rowOf(row.task));
      for (const { task } of stillKnown) expect(known.has(task), `seed ${seed}: t${task}`).toBe(true);
      if (findings.length > 0) {
        told += 1;
        expect(readdirSync(dir).some((each) => each.startsWith('damaged-'))).toBe(true);
      }
      if (rows.length === tasks) continue;
      shorter += 1;
      expect(findings, `seed ${seed}: ${rows.length} rows`).not.toEqual([]);
      expect(listed(dir), `seed ${seed}`).toEqual({ rows, findings: [] });
    }
    expect(shorter).toBeGreaterThan(30);
    expect(told).toBeGreaterThan(shorter);
  });
});

/** Leaves the database as a process does that is killed while it writes and there is no write-ahead log yet. */
function cutShort(path: string): void {
  const db = new DatabaseSync(path);
  db.exec('PRAGMA journal_mode = DELETE; PRAGMA cache_size = 2; BEGIN');
  // More than the cache holds: what was there is in the rollback journal, and what is new in the file.
  db.exec('CREATE TABLE unfinished (bytes BLOB); INSERT INTO unfinished VALUES (zeroblob(100000))');
  const files = [path, `${path}-journal`].map((name) => [name, readFileSync(name)] as const);
  db.exec('ROLLBACK');
  db.close();
  for (const [name, bytes] of files) writeFileSync(name, bytes);
}

function damage(bytes: Buffer, below: (bound: number) => number): Buffer {
  switch (below(4)) {
    case 0:
      return bytes.subarray(0, below(bytes.byteLength));
    case 1: {
      const at = 4096 * below(bytes.byteLength / 4096);
      return Buffer.from(bytes.fill(0, at, at + 4096));
    }
    default:
      for (let flips = 1 + below(8); flips > 0; flips -= 1) {
        const at = below(bytes.byteLength);
        bytes.writeUInt8((bytes[at] as number) ^ (1 << below(8)), at);
      }
      return bytes;
  }
}
