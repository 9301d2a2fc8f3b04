/**
 * Checks every blob against its hash, and reads on from the other end when a part of the table cannot be read.
 * A damaged blob does not shorten the log; the tasks that need it can be told by its hash.
 */
import type { DatabaseSyncInstance } from '@photostructure/sqlite';
import { BlobIndex } from './blob-index.ts';
import { digestBytes, hex, sameBytes, sha256 } from './digest-chain.ts';
import type { FindingList } from './finding-list.ts';
import type { Finding } from './journal.ts';
import { isDamage } from './sqlite-failure.ts';

export interface BlobRow {
  readonly id: number;
  readonly hash: Uint8Array;
  readonly seq: number;
  readonly bytes: Uint8Array;
}

/** Each blob that is whole. What is not is added to `findings`. */
export function* readBlobs(db: DatabaseSyncInstance, findings: FindingList): Generator<BlobRow> {
  let last = 0;
  try {
    for (const row of scan(db, 'ASC')) {
      last = row.id;
      if (isWhole(row, findings)) yield row;
    }
    return;
  } catch (error) {
    if (!isDamage(error)) throw error;
    findings.push(unreadable(error));
  }
  try {
    for (const row of scan(db, 'DESC')) {
      if (row.id <= last) return;
      if (isWhole(row, findings)) yield row;
    }
  } catch (error) {
    // The same unreadable part, met from behind: already told above.
    if (!isDamage(error)) throw error;
  }
}

export function indexBlobs(db: DatabaseSyncInstance, findings: FindingList): BlobIndex {
  const index = new BlobIndex();
  for (const { hash, id, seq } of readBlobs(db, findings)) index.set(hash, { id, seq });
  return index;
}

/** Notes in `index` that commit `seq` named these blobs; returns those that are not there. */
export function touchBlobs(index: BlobIndex, named: Uint8Array, seq: number): Finding[] {
  const findings: Finding[] = [];
  for (let at = 0; at < named.byteLength; at += digestBytes) {
    const hash = named.subarray(at, at + digestBytes);
    const place = index.get(hash);
    if (place === undefined) findings.push({ ...blobFinding(hash, 'is missing'), kind: 'missing' });
    else index.set(hash, { id: place.id, seq: Math.max(seq, place.seq) });
  }
  return findings;
}

function scan(db: DatabaseSyncInstance, direction: 'ASC' | 'DESC'): IterableIterator<BlobRow> {
  return db
    .prepare(`SELECT id, hash, seq, bytes FROM blobs ORDER BY id ${direction}`)
    .iterate() as IterableIterator<BlobRow>;
}

function isWhole(row: BlobRow, findings: FindingList): boolean {
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
