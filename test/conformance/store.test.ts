import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { openSqliteStore } from '@gryphgen/retrieval';
import { expect, it } from 'vitest';
import { put, storeConformance } from './store-suite.ts';
import { storeVectorConformance } from './store-vectors-suite.ts';

const makePlace = () => {
  const dir = mkdtempSync(join(tmpdir(), 'store-'));
  const path = join(dir, 'retrieval.db');
  return { dir, path, remove: () => rmSync(dir, { recursive: true }) };
};

const sqlite =
  (vectorBytes = 64 * 1024 ** 2) =>
  async () => {
    const { path, remove } = makePlace();
    const cacheBytes = 4 * 1024 ** 2;
    return { open: () => openSqliteStore({ path, cacheBytes, vectorBytes }), remove: async () => remove() };
  };

storeConformance('SQLite', sqlite());
storeVectorConformance('SQLite', sqlite());
storeVectorConformance('SQLite without room for vectors', sqlite(0));

it('two stores on one file see what each other applied', async () => {
  const { path, remove } = makePlace();
  const [one, other] = [await openSqliteStore({ path }), await openSqliteStore({ path })];
  for (let n = 0; n < 20; n += 1)
    await (n % 2 === 0 ? one : other).apply('c', [put(`k${n % 7}`, `rocket ${n}`)]);
  const [mine, theirs] = await Promise.all(
    [one, other].map((store) => store.search({ collections: ['c'], text: 'rocket', limit: 50 })),
  );
  expect(mine).toHaveLength(7);
  expect(theirs).toEqual(mine);
  expect(await one.check()).toEqual([]);
  await Promise.all([one.close(), other.close()]);
  remove();
});

it('what was removed is in no file after a purge', async () => {
  const { dir, path, remove } = makePlace();
  const store = await openSqliteStore({ path });
  const secrets = ['Zanzibarium', 'zanzibarium'];
  const inFiles = () =>
    readdirSync(dir).filter((name) => secrets.some((word) => readFileSync(join(dir, name)).includes(word)));
  await store.apply('c', [put('a', 'the Zanzibarium secret'), put('b', 'other words')]);
  expect(inFiles()).not.toEqual([]);
  await store.apply('c', [{ kind: 'remove', key: 'a' }]);
  await store.purge();
  expect(inFiles()).toEqual([]);
  await store.close();
  remove();
});

it('a store of an earlier program is brought up to date', async () => {
  const { path, remove } = makePlace();
  const before = await openSqliteStore({ path });
  await before.apply('c', [put('a', 'rocket')]);
  await before.close();
  const { DatabaseSync } = await import('@photostructure/sqlite');
  const db = new DatabaseSync(path);
  db.exec('DROP TABLE vector; DROP TABLE embedding; DROP TABLE pseudonym; DROP TABLE pseudonym_use');
  db.exec('PRAGMA user_version = 3');
  db.close();
  const store = await openSqliteStore({ path });
  expect(await store.search({ collections: ['c'], text: 'rocket', limit: 9 })).toHaveLength(1);
  await store.embedBy('c', { model: 'words', digest: 'd', dimension: 2 });
  const [lacking] = await store.unembedded('c', 0, 9);
  const vector = new Float32Array([1, 2]);
  expect(await store.addVectors('c', [{ passage: lacking?.id ?? 0, vector }])).toBe(1);
  expect(await store.nearest({ collection: 'c', vector, limit: 9 })).toMatchObject([{ text: 'rocket' }]);
  await store.close();
  remove();
});

it('a store of a newer program is not opened', async () => {
  const { path, remove } = makePlace();
  await (await openSqliteStore({ path })).close();
  const { DatabaseSync } = await import('@photostructure/sqlite');
  const db = new DatabaseSync(path);
  db.exec('PRAGMA user_version = 99');
  db.close();
  await expect(openSqliteStore({ path })).rejects.toMatchObject({ code: 'newer' });
  remove();
});
