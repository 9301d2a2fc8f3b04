/**
 * The shards of collections that are here, each kept like a collection of its own: a *unit*, named `docs`, or `docs/2of4`,
 * which is no collection's name.
 *
 * 1. A file is in one shard, by a hash of its key: wherever it is brought, and however often.
 */
import type { ShardHold, SourceName } from '@gryphgen/protocol';
import { shardOfKey } from '@gryphgen/runtime';
import { keyOf } from './file-key.ts';
import type { SourceFile } from './given-files.ts';

export function unitOf(collection: string, shard: Pick<ShardHold, 'index' | 'of'> | undefined): string {
  return shard === undefined || shard.of === 1 ? collection : `${collection}/${shard.index + 1}of${shard.of}`;
}

/** Of a unit's name. */
export function shardOfUnit(unit: string): {
  readonly collection: string;
  readonly index: number;
  readonly of: number;
} {
  const [, collection = unit, number = '1', of = '1'] = /^(.+)\/(\d+)of(\d+)$/.exec(unit) ?? [];
  return { collection, index: Number(number) - 1, of: Number(of) };
}

/** Those of a source that are the shard's (1). */
export function filesOfShard(
  source: SourceName,
  files: readonly SourceFile[],
  shard: Pick<ShardHold, 'index' | 'of'> | undefined,
): readonly SourceFile[] {
  if (shard === undefined || shard.of === 1) return files;
  return files.filter(({ path }) => shardOfKey(keyOf(source, path), shard.of) === shard.index);
}
