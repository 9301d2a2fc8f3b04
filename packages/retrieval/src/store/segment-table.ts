/** Segments as rows: typed arrays as blobs, in the byte order of the machine, which is little-endian wherever Node runs. */
import type { DatabaseSyncInstance } from '@photostructure/sqlite';
import { type Segment, type Totals, totalsOf } from '../core/index/segment.ts';

export interface StoredSegment {
  readonly id: number;
  readonly collection: number;
  readonly segment: Segment;
  readonly totals: Totals;
}

interface Row {
  readonly id: number;
  readonly collection: number;
  readonly chunks: Uint8Array;
  readonly ties: Uint8Array;
  readonly lengths: Uint8Array;
  readonly dead: Uint8Array;
}

/** In the order of their passages' ids. None is empty. */
export function readSegments(db: DatabaseSyncInstance): readonly StoredSegment[] {
  const rows = db.prepare('SELECT * FROM segment').all() as readonly Row[];
  const segments = rows.map(({ id, collection, chunks, ties, lengths, dead }) => {
    const segment: Segment = {
      count: chunks.byteLength / 4,
      chunks: new Uint32Array(copied(chunks)),
      ties: new Uint32Array(copied(ties)),
      lengths: new Uint16Array(copied(lengths)),
      dead: new Uint8Array(copied(dead)),
    };
    return { id, collection, segment, totals: totalsOf(segment) };
  });
  return segments.sort((a, b) => firstChunk(a) - firstChunk(b));
}

const firstChunk = ({ segment }: StoredSegment): number => segment.chunks[0] as number;

export function insertSegment(
  db: DatabaseSyncInstance,
  id: number,
  collection: number,
  segment: Segment,
): void {
  db.prepare(
    'INSERT INTO segment (id, collection, chunks, ties, lengths, dead) VALUES (?, ?, ?, ?, ?, ?)',
  ).run(
    id,
    collection,
    bytesOf(segment.chunks),
    bytesOf(segment.ties),
    bytesOf(segment.lengths),
    segment.dead,
  );
}

export function updateDead(db: DatabaseSyncInstance, { id, segment }: StoredSegment): void {
  db.prepare('UPDATE segment SET dead = ? WHERE id = ?').run(segment.dead, id);
}

export function deleteSegment(db: DatabaseSyncInstance, id: number): void {
  db.prepare('DELETE FROM segment WHERE id = ?').run(id);
  db.prepare('DELETE FROM posting WHERE segment = ?').run(id);
}

const bytesOf = (array: Uint32Array | Uint16Array): Uint8Array =>
  new Uint8Array(array.buffer, array.byteOffset, array.byteLength);

/** A blob may begin anywhere in memory; wider arrays may not. */
function copied(bytes: Uint8Array): ArrayBuffer {
  const copy = new ArrayBuffer(bytes.byteLength);
  new Uint8Array(copy).set(bytes);
  return copy;
}
