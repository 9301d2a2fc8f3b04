/**
 * Reads the chain out of a database row by row, and stops believing at the first row that does not check.
 *
 * 1. A row is yielded only when its content, its digest and its place after the row before all check.
 * 2. The reader never throws for damage: it ends, and says why.
 */
import type { DatabaseSyncInstance } from '@photostructure/sqlite';
import { contentDigest, hex, linkDigest, sameBytes } from './digest-chain.ts';
import type { Finding } from './journal.ts';
import { isDamage } from './sqlite-failure.ts';

/** The chain up to a commit. */
export interface ChainPoint {
  readonly seq: number;
  readonly digest: Uint8Array;
}

export interface ChainGroup {
  readonly seq: number;
  readonly epoch: number;
  readonly format: number;
  readonly previous: Uint8Array;
  readonly content: Uint8Array;
  readonly digest: Uint8Array;
  readonly named: Uint8Array;
  readonly records: Uint8Array;
}

/** The groups after `from` up to `to`, as long as they check; returns what ended them early, if anything did. */
export function* readGroups(
  db: DatabaseSyncInstance,
  from: ChainPoint,
  to: number,
): Generator<ChainGroup, Finding | undefined> {
  let last = from;
  try {
    const rows = db
      .prepare('SELECT * FROM groups WHERE seq > ? AND seq <= ? ORDER BY seq')
      .iterate(from.seq, to) as IterableIterator<ChainGroup>;
    for (const row of rows) {
      const wrong = wrongWith(row, last);
      if (wrong !== undefined) return wrong;
      yield row;
      last = row;
    }
    return undefined;
  } catch (error) {
    if (!isDamage(error)) throw error;
    return groupFinding(last.seq + 1, `cannot be read: ${error.message}`, null, null);
  }
}

/** The first group there is, if it vouches for itself. */
export function firstGroup(db: DatabaseSyncInstance): ChainGroup | undefined {
  try {
    const row = db.prepare('SELECT * FROM groups ORDER BY seq LIMIT 1').get() as ChainGroup | undefined;
    if (row === undefined || !isWellFormed(row) || !sameBytes(linkDigest(row), row.digest)) return undefined;
    return row;
  } catch (error) {
    // readGroups meets the same and tells it, with its place.
    if (!isDamage(error)) throw error;
    return undefined;
  }
}

function wrongWith(row: ChainGroup, last: ChainPoint): Finding | undefined {
  const seq = last.seq + 1;
  if (!isWellFormed(row)) return groupFinding(seq, 'is not a group', null, null);
  if (row.seq !== seq) return groupFinding(seq, `is missing; the next one is ${row.seq}`, null, null);
  const content = contentDigest(row.records, row.named);
  if (!sameBytes(content, row.content)) {
    return groupFinding(seq, 'has damaged content', hex(row.content), hex(content));
  }
  if (!sameBytes(row.previous, last.digest)) {
    return groupFinding(seq, 'does not follow the one before', hex(last.digest), hex(row.previous));
  }
  const digest = linkDigest(row);
  if (!sameBytes(digest, row.digest)) {
    return groupFinding(seq, 'has a damaged header', hex(row.digest), hex(digest));
  }
  return undefined;
}

/** SQLite's types are per value: a flipped bit can turn a blob into text. */
function isWellFormed(row: ChainGroup): boolean {
  return (
    [row.seq, row.epoch, row.format].every((value) => Number.isSafeInteger(value) && value >= 0) &&
    [row.previous, row.content, row.digest, row.named, row.records].every(
      (value) => value instanceof Uint8Array,
    )
  );
}

function groupFinding(seq: number, what: string, expected: string | null, found: string | null): Finding {
  return { kind: 'group', seq, what: `Commit ${seq} ${what}.`, expected, found };
}
