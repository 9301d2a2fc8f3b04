/** Passages that stand beside others in their sources. */
import type { DatabaseSyncInstance } from '@photostructure/sqlite';
import type { PassagePlace, PlacedChunk } from './store.ts';

export interface NeighboursArgs {
  readonly collection: string;
  readonly places: readonly PassagePlace[];
  readonly distance: number;
}

interface Row {
  readonly seq: number;
  readonly start_line: number;
  readonly end_line: number;
  readonly headings: string;
  readonly symbols: string;
  readonly text: string;
  readonly place: string | null;
}

const beside = `SELECT seq, start_line, end_line, headings, symbols, text, place
  FROM chunk JOIN source ON source.id = chunk.source JOIN collection ON collection.id = source.collection
  WHERE name = ? AND key = ? AND seq BETWEEN ? AND ? AND seq <> ? ORDER BY seq`;

export function readNeighbours(
  db: DatabaseSyncInstance,
  { collection, places, distance }: NeighboursArgs,
): readonly (readonly PlacedChunk[])[] {
  const statement = db.prepare(beside);
  return places.map(({ key, seq }) => {
    const rows = statement.all(collection, key, seq - distance, seq + distance, seq) as unknown as Row[];
    return rows.map(({ start_line: startLine, end_line: endLine, headings, symbols, place, ...row }) => ({
      ...{ ...row, startLine, endLine },
      headings: JSON.parse(headings) as readonly string[],
      symbols: JSON.parse(symbols) as readonly string[],
      ...(place !== null && { place }),
    }));
  });
}
