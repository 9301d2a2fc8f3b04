/** Passages that stand beside others in their sources. */
import type { DatabaseSyncInstance } from '@photostructure/sqlite';
import { type ChunkRow, chunkColumns, chunkOf } from './chunk-row.ts';
import type { PassagePlace, PlacedChunk } from './store.ts';

export interface NeighboursArgs {
  readonly collection: string;
  readonly places: readonly PassagePlace[];
  readonly distance: number;
}

const beside = `SELECT ${chunkColumns}
  FROM chunk JOIN source ON source.id = chunk.source JOIN collection ON collection.id = source.collection
  WHERE name = ? AND key = ? AND seq BETWEEN ? AND ? AND seq <> ? ORDER BY seq`;

export function readNeighbours(
  db: DatabaseSyncInstance,
  { collection, places, distance }: NeighboursArgs,
): readonly (readonly PlacedChunk[])[] {
  const statement = db.prepare(beside);
  return places.map(({ key, seq }) => {
    const rows = statement.all(collection, key, seq - distance, seq + distance, seq);
    return (rows as unknown as ChunkRow[]).map(chunkOf);
  });
}
