/**
 * Checks the digests of groups that snapshots have replaced: the part of the chain that outlives its content.
 *
 * 1. A row counts when it follows from the digest before it. One that does not is dropped, named, and becomes part of a
 *    gap, whose end is a digest that a later row follows from.
 * 2. Gaps found at an earlier opening are known: they are not found again.
 */
import type { DatabaseSyncInstance } from '@photostructure/sqlite';
import type { ChainPoint } from './chain-reader.ts';
import { genesis, hex, linkDigest, sameBytes } from './digest-chain.ts';
import type { FindingList } from './finding-list.ts';
import type { Finding } from './journal.ts';
import { isDamage } from './sqlite-failure.ts';

export interface DigestRow {
  readonly seq: number;
  readonly epoch: number;
  readonly format: number;
  readonly content: Uint8Array;
  readonly digest: Uint8Array;
}

/** Commits whose digests are lost, `first` to `last`, and the chain's digest at `last`. */
export interface Gap {
  readonly first: number;
  readonly last: number;
  readonly digest: Uint8Array;
}

export interface DigestAudit {
  readonly end: ChainPoint;
  readonly gaps: readonly Gap[];
}

/** What is wrong is added to `findings`; each row that counts is told to `onSound`. */
export function auditDigests(
  db: DatabaseSyncInstance,
  findings: FindingList,
  onSound: (row: DigestRow) => void = () => undefined,
): DigestAudit {
  const gaps: Gap[] = [];
  let end: ChainPoint = { seq: 0, digest: genesis };
  try {
    const known = knownGaps(db);
    const rows = db.prepare('SELECT * FROM digests ORDER BY seq').iterate() as IterableIterator<DigestRow>;
    for (const row of rows) {
      for (let gap = known.get(end.seq + 1); gap !== undefined; gap = known.get(end.seq + 1)) {
        gaps.push(gap);
        end = { seq: gap.last, digest: gap.digest };
      }
      if (row.seq <= end.seq || !(row.digest instanceof Uint8Array)) {
        findings.push(digestFinding(end.seq + 1, 'is out of place', null, null));
        continue;
      }
      const wrong = wrongWith(row, end);
      if (wrong === undefined) {
        onSound(row);
      } else {
        findings.push(wrong);
        extend(gaps, end.seq + 1, row);
      }
      end = { seq: row.seq, digest: row.digest };
    }
    const last = known.get(end.seq + 1);
    if (last !== undefined) {
      gaps.push(last);
      end = { seq: last.last, digest: last.digest };
    }
  } catch (error) {
    if (!isDamage(error)) throw error;
    findings.push(
      digestFinding(end.seq + 1, `and those after it cannot be read: ${error.message}`, null, null),
    );
  }
  return { end, gaps };
}

/** The digest row of a commit, if the chain's kept part or a gap's end tells it. */
export function knownDigest(db: DatabaseSyncInstance, seq: number): Uint8Array | undefined {
  const row = db
    .prepare(
      `SELECT digest FROM groups WHERE seq = ?1 UNION ALL SELECT digest FROM digests WHERE seq = ?1
       UNION ALL SELECT digest FROM gaps WHERE last = ?1`,
    )
    .get(seq) as { digest: Uint8Array } | undefined;
  return row?.digest;
}

/** Lengthens the gap that ends where this one begins, or starts one. */
export function extend(gaps: Gap[], first: number, end: ChainPoint): void {
  const before = gaps.at(-1);
  if (before?.last !== first - 1) {
    gaps.push({ first, last: end.seq, digest: end.digest });
  } else {
    gaps[gaps.length - 1] = { first: before.first, last: end.seq, digest: end.digest };
  }
}

function knownGaps(db: DatabaseSyncInstance): Map<number, Gap> {
  const rows = db.prepare('SELECT first, last, digest FROM gaps ORDER BY first').all() as Gap[];
  return new Map(
    rows
      .filter(({ first, last, digest }) => last >= first && digest instanceof Uint8Array)
      .map((gap) => [gap.first, gap]),
  );
}

function wrongWith(row: DigestRow, end: ChainPoint): Finding | undefined {
  if (row.seq !== end.seq + 1) {
    return digestFinding(end.seq + 1, `is missing; the next one is of commit ${row.seq}`, null, null);
  }
  if (!(row.content instanceof Uint8Array) || !(row.epoch >= 0) || !(row.format >= 0)) {
    return digestFinding(row.seq, 'is not a digest', null, null);
  }
  const expected = linkDigest({ ...row, previous: end.digest });
  return sameBytes(expected, row.digest)
    ? undefined
    : digestFinding(row.seq, 'does not follow from the one before', hex(expected), hex(row.digest));
}

function digestFinding(seq: number, what: string, expected: string | null, found: string | null): Finding {
  return { kind: 'digest', seq, what: `The digest of commit ${seq} ${what}.`, expected, found };
}
