/** The broker's own journal against the suite, and what only it does: folding into snapshots, compaction, pages. */
import { createHash } from 'node:crypto';
import { readdir, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { Journal, JournalBlob } from '@gryphgen/broker';
import type { BlobHash, TaskId } from '@gryphgen/protocol';
import { DatabaseSync } from '@photostructure/sqlite';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { numbered, type SqlitePlace, sqlitePlace } from './journal-place.ts';
import { journalConformance } from './journal-suite.ts';

journalConformance('SQLite', sqlitePlace);

describe('the SQLite journal', () => {
  let place: SqlitePlace;

  beforeEach(async () => {
    place = await sqlitePlace();
  });
  afterEach(() => place.remove());

  const append = async (journal: Journal, from: number, to: number, blobs: readonly JournalBlob[] = []) => {
    for (let n = from; n <= to; n += 1) await journal.append({ records: numbered(n), blobs });
  };
  const snapshots = async () => (await readdir(place.dir)).filter((name) => name.startsWith('snapshot-'));
  const filled = async (groups: number) => {
    const { journal } = await place.open();
    await append(journal, 1, groups);
    await journal.close();
  };
  const rows = (table: string) => {
    const db = new DatabaseSync(join(place.dir, 'journal-1.db'), { readOnly: true });
    const row = db.prepare(`SELECT count(*) AS n, min(seq) AS first, max(seq) AS last FROM ${table}`).get();
    db.close();
    return row as { n: number; first: number; last: number };
  };

  it('keeps two snapshots, the groups after the older, and the digests of all', async () => {
    for (const at of [0, 10, 20, 30]) {
      const { journal } = await place.open();
      await append(journal, at + 1, at + 10);
      await journal.close();
    }
    const kept = await snapshots();
    expect(kept).toHaveLength(2);
    const older = Number(/\d+/.exec(kept[0]!)![0]);
    expect(rows('groups')).toEqual({ n: 40 - older, first: older + 1, last: 40 });
    expect(rows('digests')).toEqual({ n: older, first: 1, last: older });
    const { journal, findings } = await place.open();
    expect(findings).toEqual([]);
    expect((await journal.history({ limit: 100 })).rows).toHaveLength(40);
    await journal.close();
    expect(place.troubles).toEqual([]);
  });

  it('opens from the older snapshot when the newer is damaged, and says so', async () => {
    for (let round = 0; round < 3; round += 1) {
      const { journal } = await place.open();
      await append(journal, round * 10 + 1, round * 10 + 10);
      await journal.close();
    }
    const [older, newer] = await snapshots();
    await writeFile(join(place.dir, newer!), 'not a snapshot');
    const { journal, snapshot, groups, findings } = await place.open();
    expect(findings).toMatchObject([{ kind: 'snapshot', seq: Number(/\d+/.exec(newer!)![0]) }]);
    expect(snapshot?.seq).toBe(Number(/\d+/.exec(older!)![0]));
    const state = place.folder.load(snapshot!.bytes);
    for await (const { epoch, records } of groups) place.folder.applyGroup(state, epoch, records);
    expect(state).toMatchObject({ tasks: Array.from({ length: 30 }, (_, at) => at + 1) });
    await journal.close();
    expect(await readdir(join(place.dir, 'damaged-2026-11-21T00-00-00-000Z'))).toEqual([newer]);
  });

  it('refuses to open without a snapshot whose groups are gone', async () => {
    for (let round = 0; round < 3; round += 1) {
      const { journal } = await place.open();
      await append(journal, round * 10 + 1, round * 10 + 10);
      await journal.close();
    }
    for (const name of await snapshots()) await rm(join(place.dir, name));
    await expect(place.open()).rejects.toMatchObject({ code: 'damaged', message: /Restore a backup/ });
  });

  it('goes on from a snapshot when the database is gone, in a higher epoch', async () => {
    await filled(12);
    const [name] = (await snapshots()).toReversed();
    await rm(join(place.dir, 'journal-1.db'));
    const { journal, snapshot, findings } = await place.open();
    expect(snapshot?.seq).toBe(Number(/\d+/.exec(name!)![0]));
    expect(journal.head().seq).toBe(snapshot?.seq);
    expect(journal.epoch).toBe(2);
    expect(findings.map(({ kind }) => kind)).toEqual(['missing', 'cut']);
    await append(journal, journal.head().seq + 1, journal.head().seq + 3);
    expect(await journal.checkWitness({ seq: 2, digest: 'f'.repeat(64) })).toBe('unknown');
    await journal.close();
    const again = await place.open();
    expect(again.findings).toEqual([]);
    await again.journal.close();
  });

  it('refuses an empty folder that had held a journal', async () => {
    await filled(2);
    await rm(join(place.dir, 'journal-1.db'));
    await expect(place.open()).rejects.toMatchObject({ code: 'damaged' });
  });

  it('refuses a newer format and names who reads it', async () => {
    await filled(2);
    const db = new DatabaseSync(join(place.dir, 'journal-1.db'));
    db.exec("UPDATE state SET format = 7, program = '9.1.0'; PRAGMA user_version = 7");
    db.close();
    await expect(place.open()).rejects.toMatchObject({
      code: 'newer',
      message:
        /has format 7, written by gryphgen 9\.1\.0; this is gryphgen 0\.1\.0, which reads formats up to 1/,
    });
  });

  it('goes on appending when folding fails, and folds again after the next opening', async () => {
    const { journal } = await place.open();
    await append(journal, 1, 3);
    await journal.append({ records: new TextEncoder().encode('poison'), blobs: [] });
    // Appending goes on while folds fail: each is asked for while the one before runs.
    let seq = 4;
    while (place.troubles.length < 3) {
      seq += 1;
      await append(journal, seq, seq);
    }
    await append(journal, seq + 1, seq + 30);
    expect(journal.head().seq).toBe(seq + 30);
    await journal.close();
    expect(place.troubles).toHaveLength(3);
    expect(await snapshots()).toEqual([]);
  });

  it('forgets the history of commits that were cut off', async () => {
    const { journal } = await place.open();
    await append(journal, 1, 4);
    expect((await journal.history({ limit: 10 })).rows).toHaveLength(4);
    await journal.close();
    const db = new DatabaseSync(join(place.dir, 'journal-1.db'));
    db.exec('DELETE FROM groups WHERE seq > 2');
    db.close();
    const again = await place.open();
    expect((await again.journal.history({ limit: 10 })).rows.map(({ task }) => task)).toEqual([2, 1]);
    await again.journal.close();
  });

  it('makes the table of finished tasks anew when its file is damaged, and says so', async () => {
    await filled(30);
    await writeFile(join(place.dir, 'history.db'), 'not a table');
    const { journal, findings } = await place.open();
    expect(findings).toMatchObject([{ kind: 'history', what: expect.stringContaining('made anew') }]);
    expect(await readdir(join(place.dir, 'damaged-2026-11-21T00-00-00-000Z'))).toEqual(['history.db']);
    await append(journal, 31, 32);
    const { rows: listed } = await journal.history({ limit: 100 });
    expect(listed.slice(0, 5).map(({ task }) => task)).toEqual([32, 31, 30, 29, 28]);
    await journal.close();
    const again = await place.open();
    expect(again.findings).toEqual([]);
    expect((await again.journal.history({ limit: 100 })).rows).toEqual(listed);
    await again.journal.close();
    expect(place.troubles).toEqual([]);
  });

  it('answers from a table made anew when damage is met later, and says so', async () => {
    await filled(30);
    const db = new DatabaseSync(join(place.dir, 'history.db'));
    db.exec("UPDATE finished SET document = '{}' WHERE task = 3");
    db.close();
    const { journal, findings } = await place.open();
    expect(findings).toEqual([]);
    const { rows: listed } = await journal.history({ limit: 100 });
    expect(listed.map(({ task }) => task)).not.toContain(3);
    expect(listed).toHaveLength(29);
    expect(place.met).toMatchObject([
      {
        kind: 'history',
        what: expect.stringContaining('(the row of t3 has damaged content) and is made anew: 29 tasks'),
      },
    ]);
    await journal.close();
    expect(place.troubles).toEqual([]);
  });

  it('bounds the table of finished tasks: the oldest give way', async () => {
    const bounded = { historyRows: 7, foldGroups: 5, snapshotGroups: 5 };
    const { journal } = await place.open(bounded);
    await append(journal, 1, 40);
    const { rows: listed } = await journal.history({ limit: 100 });
    expect(listed.map(({ task }) => task)).toEqual([40, 39, 38, 37, 36, 35, 34]);
    await journal.close();
  });

  it('bounds it by age too: what ended long before the newest gives way', async () => {
    // Task N ends at N seconds.
    const { journal } = await place.open({ historyAgeMs: 4000, foldGroups: 5, snapshotGroups: 5 });
    await append(journal, 1, 20);
    const { rows: listed } = await journal.history({ limit: 100 });
    expect(listed.map(({ task }) => task)).toEqual([20, 19, 18, 17, 16]);
    await journal.close();
  });

  it('takes its lock whatever was written into the files of the last one', async () => {
    await filled(3);
    for (const name of ['journal.lock', 'journal.lock-journal', 'journal.holder'])
      await writeFile(join(place.dir, name), 'of no meaning '.repeat(100));
    const { journal, findings } = await place.open();
    expect(findings).toEqual([]);
    expect(journal.head().seq).toBe(3);
    await expect(place.open()).rejects.toMatchObject({ code: 'locked', message: /in use by the suite/ });
    await journal.close();
  });

  it('filters history by state and name', async () => {
    const { journal } = await place.open();
    await append(journal, 1, 10);
    const tasks = async (query: { state?: string; name?: string }) =>
      (await journal.history({ limit: 10, ...query })).rows.map(({ task }) => task);
    expect(await tasks({ state: 'failed' })).toEqual([10, 5]);
    expect(await tasks({ name: 'task-0' })).toEqual([9, 6, 3]);
    expect(await tasks({ name: 'task-1', state: 'failed' })).toEqual([10]);
    expect(await journal.historyOf(10 as TaskId)).toEqual({
      task: 10,
      name: 'task-1',
      state: 'failed',
      endedAt: 10_000,
      document: '{"task":10,"epoch":1,"principal":"p-0"}',
    });
    await journal.close();
  });

  it('bounds what it names when very many blobs are damaged', async () => {
    const { journal } = await place.open();
    const blobs = Array.from({ length: 3000 }, (_, n) => blob(`blob ${n}`));
    await journal.append({ records: numbered(1), blobs });
    await journal.close();
    const db = new DatabaseSync(join(place.dir, 'journal-1.db'));
    db.exec("UPDATE blobs SET bytes = x'00'");
    db.close();
    const { journal: hurt, findings } = await place.open();
    await hurt.close();
    expect(findings).toHaveLength(202);
    expect(findings.slice(-2).map(({ what }) => what)).toEqual([
      '2900 more findings of kind "blob" are not listed.',
      '2900 more findings of kind "missing" are not listed.',
    ]);
  });

  it('names a blob that is damaged, keeps the rest, and takes it again', async () => {
    const { journal } = await place.open();
    const [good, bad] = ['good', 'bad'].map(blob) as [JournalBlob, JournalBlob];
    await journal.append({ records: numbered(1), blobs: [good, bad] });
    await journal.close();
    const db = new DatabaseSync(join(place.dir, 'journal-1.db'));
    db.prepare('UPDATE blobs SET bytes = ? WHERE hash = ?').run(
      Buffer.from('bed'),
      Buffer.from(bad.hash, 'hex'),
    );
    db.close();
    const hurt = await place.open();
    expect(hurt.findings).toMatchObject([
      { kind: 'blob', expected: bad.hash },
      { kind: 'missing', expected: bad.hash },
    ]);
    expect(await hurt.journal.blob(bad.hash)).toBeUndefined();
    expect(Buffer.from((await hurt.journal.blob(good.hash))!).toString()).toBe('good');
    await hurt.journal.append({ records: numbered(2), blobs: [bad] });
    await hurt.journal.close();
    const healed = await place.open();
    expect(healed.findings).toEqual([]);
    await healed.journal.close();
  });
});

function blob(text: string): JournalBlob {
  const bytes = Buffer.from(text);
  return { hash: createHash('sha256').update(bytes).digest('hex') as BlobHash, bytes };
}
