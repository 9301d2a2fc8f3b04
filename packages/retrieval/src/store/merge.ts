/**
 * Merges neighbouring segments into one, without their dead. One term at a time from all of them at once, so that memory
 * does not grow with them.
 */
import type { DatabaseSyncInstance } from '@photostructure/sqlite';
import { PostingsReader, PostingsWriter } from '../core/index/postings.ts';
import { isDead, type Segment } from '../core/index/segment.ts';
import { compareTerms } from '../core/index/segment-builder.ts';
import { deleteSegment, insertSegment, type StoredSegment } from './segment-table.ts';

interface Cursor {
  readonly rows: Iterator<{ term: string; list: Uint8Array }>;
  readonly places: Int32Array;
  head: { term: string; list: Uint8Array } | undefined;
}

/** Within the caller's transaction. `id` is higher than theirs. */
export function mergeSegments(db: DatabaseSyncInstance, old: readonly StoredSegment[], id: number): void {
  const { segment, places } = joined(old.map(({ segment }) => segment));
  if (segment.count > 0) {
    const cursors = old.map((each, at): Cursor => {
      const rows = db
        .prepare('SELECT term, list FROM posting WHERE segment = ? ORDER BY term')
        .iterate(each.id) as Iterator<{ term: string; list: Uint8Array }>;
      return { rows, places: places[at] as Int32Array, head: advanced(rows) };
    });
    writePostings(db, cursors, id);
    insertSegment(db, id, (old[0] as StoredSegment).collection, segment);
  }
  for (const each of old) deleteSegment(db, each.id);
}

function writePostings(db: DatabaseSyncInstance, cursors: readonly Cursor[], id: number): void {
  const insert = db.prepare('INSERT INTO posting (segment, term, list) VALUES (?, ?, ?)');
  for (let term = leastTerm(cursors); term !== undefined; term = leastTerm(cursors)) {
    const writer = new PostingsWriter();
    for (const cursor of cursors) {
      if (cursor.head?.term !== term) continue;
      const reader = new PostingsReader(cursor.head.list);
      while (reader.next()) {
        const place = cursor.places[reader.ordinal] as number;
        if (place !== -1) writer.add(place, reader.title, reader.path, reader.symbol, reader.body);
      }
      cursor.head = advanced(cursor.rows);
    }
    if (writer.byteLength > 0) insert.run(id, term, writer.bytes());
  }
}

function leastTerm(cursors: readonly Cursor[]): string | undefined {
  let least: string | undefined;
  for (const { head } of cursors)
    if (head !== undefined && (least === undefined || compareTerms(head.term, least) < 0)) least = head.term;
  return least;
}

function advanced<Row>(rows: Iterator<Row>): Row | undefined {
  const { done, value } = rows.next();
  return done === true ? undefined : value;
}

/** The living of all, in order, and where each of the old ones' passages went: -1 for the dead. */
function joined(segments: readonly Segment[]): {
  readonly segment: Segment;
  readonly places: readonly Int32Array[];
} {
  const chunks: number[] = [];
  const ties: number[] = [];
  const lengths: number[] = [];
  const places = segments.map((old) => {
    const moved = new Int32Array(old.count).fill(-1);
    for (let ordinal = 0; ordinal < old.count; ordinal += 1) {
      if (isDead(old.dead, ordinal)) continue;
      moved[ordinal] = chunks.length;
      chunks.push(old.chunks[ordinal] as number);
      ties.push(old.ties[ordinal] as number);
      for (let field = 0; field < 4; field += 1) lengths.push(old.lengths[ordinal * 4 + field] as number);
    }
    return moved;
  });
  const segment = {
    count: chunks.length,
    chunks: Uint32Array.from(chunks),
    ties: Uint32Array.from(ties),
    lengths: Uint16Array.from(lengths),
    dead: new Uint8Array((chunks.length + 7) >> 3),
  };
  return { segment, places };
}
