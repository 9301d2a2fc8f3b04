/** Shards of collections as a service has them: whose word counts, and which files are whose. */
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { shardsOfLabels } from '@gryphgen/protocol';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { HeldShards } from './held-shards.ts';
import { ShardEpochs } from './shard-epochs.ts';
import { filesOfShard, shardOfUnit, unitOf } from './shard-units.ts';

let folder: string;
const file = () => join(folder, 'shards.json');
const here = new Set<string>();

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'gg-shards-'));
  here.clear();
});
afterEach(async () => await rm(folder, { recursive: true }));

const opened = async () =>
  new HeldShards(await ShardEpochs.load(file()), {
    names: () => [...here],
    drop: async (unit) => {
      here.delete(unit);
      return { added: 0, changed: 0, unchanged: 0, removed: 1, failedFiles: 0, failed: [] };
    },
  });

it('a unit is named by its collection, and by its shard where there are several', () => {
  expect(unitOf('docs', undefined)).toBe('docs');
  expect(unitOf('docs', { index: 0, of: 1 })).toBe('docs');
  const unit = unitOf('docs', { index: 1, of: 4 });
  expect(shardOfUnit(unit)).toEqual({ collection: 'docs', index: 1, of: 4 });
  expect(shardOfUnit('docs')).toEqual({ collection: 'docs', index: 0, of: 1 });
});

it('a file is in one shard, and each has its part', () => {
  const source = { machine: 'forge', path: '/docs' };
  const files = Array.from({ length: 400 }, (_, at) => ({ path: `${at}.md`, bytes: 1, hash: 'x', at: '' }));
  const parts = [0, 1, 2, 3].map((index) => filesOfShard(source, files, { index, of: 4 }));
  expect(
    parts
      .flat()
      .map(({ path }) => path)
      .sort(),
  ).toEqual(files.map(({ path }) => path).sort());
  for (const part of parts) expect(part.length).toBeGreaterThan(60);
  expect(filesOfShard(source, files, { index: 2, of: 4 })).toEqual(parts[2]);
  expect(filesOfShard(source, files, undefined)).toBe(files);
});

it('is changed under one epoch, over a restart too, and under no older one', async () => {
  const shards = await opened();
  expect(await shards.hold('docs', { epoch: 2 })).toBeUndefined();
  here.add('docs');
  expect(await shards.hold('docs', { epoch: 2 })).toBeUndefined();
  const later = await opened();
  expect(await later.hold('docs', { epoch: 1 })).toMatchObject({ code: 'rejected.state' });
  expect(later.stale('docs', { epoch: 1 })).toMatchObject({ code: 'rejected.state' });
  expect(later.stale('docs', { epoch: 2 })).toBeUndefined();
  expect([...here]).toEqual(['docs']);
});

it('what others may have owned since is gone before it is changed, and not answered from', async () => {
  const shards = await opened();
  here.add('docs');
  expect(shards.stale('docs', { epoch: 1 })).toBeUndefined();
  expect(shards.stale('docs', { epoch: 2 })?.message).toContain('owner epoch 1');
  expect(await shards.hold('docs', { epoch: 2 })).toBeUndefined();
  expect([...here]).toEqual([]);
});

it('what is gone from here is begun in the epoch that the broker knows, which may have been restored', async () => {
  const shards = await opened();
  here.add('docs');
  expect(await shards.hold('docs', { epoch: 4 })).toBeUndefined();
  expect([...here]).toEqual([]);
  expect(await shards.hold('docs', { epoch: 1 })).toBeUndefined();
  here.add('docs');
  expect(shards.labels()).toEqual({ 'collection/docs': 'here' });
});

it('a worker’s labels say what is here, by epoch', async () => {
  const shards = await opened();
  for (const unit of ['docs', 'notes/1of3', 'notes/3of3']) here.add(unit);
  await shards.hold('notes/3of3', { epoch: 1 });
  expect(shards.labels()).toEqual({ 'collection/docs': 'here', 'collection/notes': '1@1,3@1 of 3' });
  expect([...shardsOfLabels(shards.labels())]).toEqual([
    ['docs', { of: 1, held: [{ index: 0, epoch: 1 }] }],
    ['notes', { of: 3, held: [0, 2].map((index) => ({ index, epoch: 1 })) }],
  ]);
  expect(
    shardsOfLabels({ 'collection/a': '2@1 of 1', 'collection/b': 'x', 'collection/c': '1@1 of 99' }).size,
  ).toBe(0);
});

it('a file of epochs that makes no sense is told, and not written over', async () => {
  await writeFile(file(), '{"version":9}');
  await expect(ShardEpochs.load(file())).rejects.toThrow(/damaged, or of a later version/);
});

it('an owner that was chosen twice for a copy goes on from what it made of that in between, and from nothing else', async () => {
  const base = { epoch: 1, version: 4 };
  const copies = { version: 4, base, isCopy: false, byBroker: false };
  const shards = await opened();
  here.add('docs');
  await shards.noteCopy('docs', 1, 4);
  expect(await shards.hold('docs', { epoch: 2, copies })).toBeUndefined();
  const later = await opened();
  expect(later.stale('docs', { epoch: 4, copies })).toBeUndefined();
  expect(later.stale('docs', { epoch: 4 })?.message).toContain('owner epoch 2');
  const newer = { ...copies, base: { epoch: 3, version: 4 } };
  expect(later.stale('docs', { epoch: 4, copies: newer })?.message).toContain('owner epoch 2');
  expect(await later.hold('docs', { epoch: 4, copies })).toBeUndefined();
  expect([...here]).toEqual(['docs']);
  expect(later.told()).toMatchObject([{ epoch: 4, version: 6 }]);
  expect(await later.hold('docs', { epoch: 2, copies })).toMatchObject({ code: 'rejected.state' });
  // Another's copy since: what was here is not in it.
  await later.beginCopy('docs', { epoch: 5, version: 9 });
  await later.noteCopy('docs', 5, 9);
  expect(later.stale('docs', { epoch: 6, copies })).toBeUndefined();
  expect(
    later.stale('docs', { epoch: 6, copies: { ...copies, base: { epoch: 5, version: 10 } } }),
  ).toBeDefined();
});

it('what is here is known as what it is however many others are gone', async () => {
  const epochs = await ShardEpochs.load(file());
  const standing = { epoch: 3, version: 7, isCopy: true };
  const others = Array.from({ length: 1024 }, (_, at) => [`gone-${at}`, 1, 1, false, 0]);
  await epochs.note('docs', standing, ['docs']);
  const known = JSON.parse(await readFile(file(), 'utf8'));
  await writeFile(file(), JSON.stringify({ ...known, epochs: [...known.epochs, ...others.slice(1)] }));
  const full = await ShardEpochs.load(file());
  await full.note('new', standing, ['docs', 'new']);
  expect(full.of('docs')).toMatchObject(standing);
  expect(full.names()).toHaveLength(1024);
  expect(full.of('gone-1')).toBeUndefined();
});
