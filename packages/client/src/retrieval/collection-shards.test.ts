/** Where questions about a shard go, and when nobody can be asked. */
import type { CollectionDocument, CopyDocument, ShardDocument } from '@gryphgen/protocol';
import { expect, it } from 'vitest';
import { askedShard, unaskable } from './collection-shards.ts';

const copy = (over: Partial<CopyDocument> = {}): CopyDocument => ({
  ...{ worker: 'w-2', workerName: 'anvil', connected: true, version: 3 },
  ...over,
});
const shard = (over: Partial<ShardDocument> = {}): ShardDocument => ({
  ...{ worker: 'w-1', workerName: 'forge', epoch: 1, connected: true, version: 3 },
  ...over,
});
const docs = (...shards: readonly ShardDocument[]): CollectionDocument => ({
  name: 'docs',
  placedAt: 0,
  shards,
});

it('goes to the owner alone, and to whoever answers as well where there are copies', () => {
  const parted = docs(shard(), shard({ copies: [] }), shard({ copies: [copy()] }));
  expect(askedShard(parted, 0)).toEqual({ collection: 'docs', index: 0 });
  expect(askedShard(parted, 1)).toEqual({ collection: 'docs', index: 1 });
  expect(askedShard(parted, 2)).toEqual({ collection: 'docs', index: 2, at: 'any' });
});

it('can be asked while its owner or a whole copy is there', () => {
  expect(unaskable(shard())).toBeUndefined();
  expect(
    unaskable(shard({ connected: false, copies: [copy({ connected: false }), copy()] })),
  ).toBeUndefined();
  expect(
    unaskable(shard({ worker: '', workerName: '', connected: false, copies: [copy()] })),
  ).toBeUndefined();
});

it('says why it cannot', () => {
  expect(unaskable(shard({ connected: false }))).toBe('forge is not connected');
  expect(unaskable(shard({ connected: false, copies: [copy({ version: 0 })] }))).toBe(
    'forge is not connected, and no copy that is whole is',
  );
  expect(unaskable(shard({ worker: '', workerName: '', connected: false }))).toBe(
    'it has no owner: its machine was removed',
  );
});
