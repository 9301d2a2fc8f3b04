/** A folder and its collection, after every kind of change to the folder. */
import { mkdirSync, mkdtempSync, renameSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import {
  DocumentParser,
  folderOrigin,
  type Origin,
  openSqliteStore,
  type Store,
  syncCollection,
} from '@gryphgen/retrieval';
import { afterEach, beforeEach, expect, it } from 'vitest';

const dir = () => mkdtempSync(join(tmpdir(), 'sync-'));
const parser = new DocumentParser(() => 0);
let folder: string;
let place: string;
let store: Store;

beforeEach(async () => {
  folder = dir();
  place = dir();
  store = await openSqliteStore({ path: join(place, 'retrieval.db') });
});
afterEach(async () => {
  await store.close();
  rmSync(folder, { recursive: true });
  rmSync(place, { recursive: true });
});

const write = (name: string, content: string | Uint8Array) => {
  mkdirSync(dirname(join(folder, name)), { recursive: true });
  writeFileSync(join(folder, name), content);
};
const sync = (origin: Origin = folderOrigin(folder, 1000), collection = 'c') =>
  syncCollection({ store, collection, origin, parser, batchBytes: 20 });
const found = async (text: string, collection = 'c') =>
  (await store.search({ collections: [collection], text, limit: 100 }))
    .map(({ source }) => source.path)
    .sort();

it('follows what is added, changed, renamed and deleted, and answers as a collection made anew', async () => {
  write('a.md', '# Rockets\n\nA rocket flies.');
  write('lib/b.ts', 'export function launchRocket() {}');
  write('lib/c.txt', 'the moon');
  expect(await sync()).toMatchObject({ added: 3, failed: [] });
  expect(await sync()).toMatchObject({ added: 0, changed: 0, unchanged: 3, removed: 0 });
  expect(await found('rocket')).toEqual(['a.md', 'lib/b.ts']);

  write('a.md', '# Stars\n\nA star shines.');
  renameSync(join(folder, 'lib'), join(folder, 'source'));
  rmSync(join(folder, 'source/c.txt'));
  write('d.txt', 'a rocket');
  expect(await sync()).toMatchObject({ added: 2, changed: 1, unchanged: 0, removed: 2 });
  await sync(undefined, 'anew');
  for (const text of ['rocket', 'moon', 'star', 'launch', 'lib', 'source']) {
    const passages = async (collection: string) =>
      (await store.search({ collections: [collection], text, limit: 100 })).map((each) => ({
        ...each,
        collection: '',
      }));
    expect(await passages('c'), text).toEqual(await passages('anew'));
  }
  expect(await found('rocket')).toEqual(['d.txt', 'source/b.ts']);
  expect(await found('moon')).toEqual([]);
  expect(await store.check()).toEqual([]);
});

it('a file under a new name is never there twice, nor missing, for anyone who asks', async () => {
  write('old.txt', 'a rocket flies');
  await sync();
  renameSync(join(folder, 'old.txt'), join(folder, 'new.txt'));
  const applied: number[] = [];
  const watched: Store = {
    ...store,
    sources: (collection) => store.sources(collection),
    apply: async (collection, changes) => {
      await store.apply(collection, changes);
      applied.push((await found('rocket')).length);
    },
  };
  write('z.txt', 'many other words, so that there is a second batch');
  await syncCollection({
    store: watched,
    collection: 'c',
    origin: folderOrigin(folder, 1000),
    parser,
    batchBytes: 1,
  });
  expect(applied).toEqual([1, 1]);
});

it('says which files failed and why, drops what they said before, and tries again', async () => {
  write('a.txt', 'rocket');
  write('binary.txt', Uint8Array.of(1, 0, 2));
  write('large.txt', 'x'.repeat(2000));
  const failed = [
    { path: 'binary.txt', cause: 'it is binary: there are zero bytes in it' },
    { path: 'large.txt', cause: 'it has 2000 bytes, over the limit of 1000' },
  ];
  expect(await sync()).toMatchObject({ added: 1, failed });
  expect(await sync()).toMatchObject({ unchanged: 1, failed });
  expect((await store.sources('c')).map(({ path, cause }) => ({ path, cause })).slice(1)).toEqual(failed);
  write('a.txt', Uint8Array.of(0xc3, 0x28));
  write('binary.txt', 'moon now');
  expect(await sync()).toMatchObject({ changed: 1, failed: [{ path: 'a.txt' }, { path: 'large.txt' }] });
  expect(await found('rocket moon')).toEqual(['binary.txt']);
});

it('follows no links, and knows a folder that is gone from an empty one', async () => {
  write('a.txt', 'rocket');
  symlinkSync(folder, join(folder, 'loop'));
  symlinkSync('/etc/passwd', join(folder, 'passwd.txt'));
  write('.git/config', 'rocket');
  expect(await sync()).toMatchObject({ added: 1, failed: [] });
  await expect(sync(folderOrigin(join(folder, 'nowhere'), 1000))).rejects.toThrow('ENOENT');
  expect(await found('rocket')).toEqual(['a.txt']);
});

it('what a failed store did not take, the next sync brings', async () => {
  for (let n = 0; n < 5; n += 1) write(`${n}.txt`, `rocket number ${n} on its way`);
  let left = 2;
  const failing: Store = {
    ...store,
    sources: (collection) => store.sources(collection),
    apply: (collection, changes) => {
      left -= 1;
      return left < 0 ? Promise.reject(new Error('full')) : store.apply(collection, changes);
    },
  };
  const origin = folderOrigin(folder, 1000);
  await expect(
    syncCollection({ store: failing, collection: 'c', origin, parser, batchBytes: 1 }),
  ).rejects.toThrow('full');
  expect(await found('rocket')).toHaveLength(2);
  expect(await sync()).toMatchObject({ added: 3, unchanged: 2 });
  expect(await found('rocket')).toHaveLength(5);
});
