import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { openSqliteStore } from '@gryphgen/retrieval';
import { expect, it } from 'vitest';
import { put, storeConformance } from './store-suite.ts';

const makePlace = () => {
  const dir = mkdtempSync(join(tmpdir(), 'store-'));
  const path = join(dir, 'retrieval.db');
  return { dir, path, remove: () => rmSync(dir, { recursive: true }) };
};

storeConformance('SQLite', async () => {
  const { path, remove } = makePlace();
  return { open: () => openSqliteStore({ path, cacheBytes: 4 * 1024 ** 2 }), remove: async () => remove() };
});

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
