/**
 * Checks every blob against its hash, and reads on from the other end when a part of the table cannot be read.
 * A damaged blob does not shorten the log; the tasks that need it can be told by its hash.
 */
import type { DatabaseSyncInstance } from '@photostructure/sqlite';
import { hex, sameBytes, sha256 } from './digest-chain.ts';
import type { Finding } from './journal.ts';
import { isDamage } from './sqlite-failure.ts';

export interface BlobRow {
  readonly hash: Uint8Array;
  readonly seq: number;
  readonly bytes: Uint8Array;
}

/** Each blob that is whole, once. What is not is added to `findings`. */
export function* readBlobs(db: DatabaseSyncInstance, findings: Finding[]): Generator<BlobRow> {
  let last: Uint8Array | undefined;
  try {
    for (const row of scan(db, 'ASC')) {
      if (!isWhole(row, findings)) continue;
      if (last !== undefined && Buffer.compare(row.hash, last) <= 0) {
        findings.push(blobFinding(row.hash, 'is out of order'));
        continue;
      }
      last = row.hash;
      yield row;
    }
    return;
  } catch (error) {
    if (!isDamage(error)) throw error;
    findings.push(unreadable(error));
  }
  try {
    for (const row of scan(db, 'DESC')) {
      if (last !== undefined && row.hash instanceof Uint8Array && Buffer.compare(row.hash, last) <= 0) return;
      if (isWhole(row, findings)) yield row;
    }
  } catch (error) {
    // The same unreadable part, met from behind: already told above.
    if (!isDamage(error)) throw error;
  }
}

/** For its findings alone. */
export function auditBlobs(db: DatabaseSyncInstance, findings: Finding[]): void {
  const blobs = readBlobs(db, findings);
  while (!blobs.next().done);
}

/** The blobs a group supplied that are not there. */
export function missingBlobs(db: DatabaseSyncInstance, supplied: Uint8Array): Finding[] {
  const there = db.prepare('SELECT 1 FROM blobs WHERE hash = ?');
  const findings: Finding[] = [];
  for (let at = 0; at < supplied.byteLength; at += 32) {
    const hash = supplied.subarray(at, at + 32);
    try {
      if (there.get(hash) === undefined)
        findings.push({ ...blobFinding(hash, 'is missing'), kind: 'missing' });
    } catch (error) {
      if (!isDamage(error)) throw error;
      findings.push(blobFinding(hash, `cannot be read: ${error.message}`));
    }
  }
  return findings;
}

function scan(db: DatabaseSyncInstance, direction: 'ASC' | 'DESC'): IterableIterator<BlobRow> {
  return db
    .prepare(`SELECT hash, seq, bytes FROM blobs ORDER BY hash ${direction}`)
    .iterate() as IterableIterator<BlobRow>;
}

function isWhole(row: BlobRow, findings: Finding[]): boolean {
  const { hash, seq, bytes } = row;
  const wellFormed = hash instanceof Uint8Array && bytes instanceof Uint8Array && Number.isSafeInteger(seq);
  if (wellFormed && sameBytes(sha256(bytes), hash)) return true;
  findings.push(
    wellFormed
      ? { ...blobFinding(hash, 'has damaged content'), found: hex(sha256(bytes)) }
      : { kind: 'blob', seq: null, what: 'A row among the blobs is not one.', expected: null, found: null },
  );
  return false;
}

function blobFinding(hash: Uint8Array, what: string): Finding {
  return { kind: 'blob', seq: null, what: `Blob ${hex(hash)} ${what}.`, expected: hex(hash), found: null };
}

function unreadable(error: Error): Finding {
  const what = `Some blobs cannot be read: ${error.message}.`;
  return { kind: 'blob', seq: null, what, expected: null, found: null };
}
