/** A row of the table of chunks, as what it says. */
import type { PlacedChunk } from './store.ts';

export interface ChunkRow {
  readonly seq: number;
  readonly start_line: number;
  readonly end_line: number;
  readonly headings: string;
  readonly symbols: string;
  readonly text: string;
  readonly place: string | null;
}

export const chunkColumns = 'seq, start_line, end_line, headings, symbols, text, place';

export function chunkOf(row: ChunkRow): PlacedChunk {
  return {
    seq: row.seq,
    startLine: row.start_line,
    endLine: row.end_line,
    text: row.text,
    headings: JSON.parse(row.headings) as readonly string[],
    symbols: JSON.parse(row.symbols) as readonly string[],
    ...(row.place !== null && { place: row.place }),
  };
}
