/** In which of a collection's shards a file is, by its key: wherever it is brought, and however often. */
import { createHash } from 'node:crypto';

/** `key`: its machine, a line end and its path. From 0. */
export function shardOfKey(key: string, of: number): number {
  return createHash('sha256').update(key).digest().readUInt32BE() % of;
}
