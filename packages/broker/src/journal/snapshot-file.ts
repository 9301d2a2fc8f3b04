/**
 * A snapshot: the folded state up to one commit, in a file that vouches for itself.
 *
 * 1. The header names the commit by its digest, so a snapshot of another history is not mistaken for one of this.
 * 2. The digest in the header covers every other byte of the file.
 *
 * Layout: "GGJS", format u32, seq u64, epoch u64, chain digest 32, state length u64, content digest 32, state, dead.
 */
import { createHash } from 'node:crypto';
import { existsSync, readFileSync } from 'node:fs';
import { digestBytes, hex, sameBytes } from './digest-chain.ts';
import type { Finding } from './journal.ts';
import { JournalError } from './journal.ts';
import { snapshotPath, writeDurably } from './journal-files.ts';

const MAGIC = 'GGJS';
const FORMAT = 1;
const COVERED = 24 + digestBytes + 8;
const HEADER = COVERED + digestBytes;

export interface Snapshot {
  readonly seq: number;
  readonly epoch: number;
  /** Of the chain at `seq`. */
  readonly digest: Uint8Array;
  readonly state: Uint8Array;
  /** Hashes of blobs that nothing needs once this snapshot is the older of the two that are kept. */
  readonly dead: Uint8Array;
}

export function writeSnapshot(dir: string, snapshot: Snapshot): number {
  const header = Buffer.alloc(HEADER);
  header.write(MAGIC, 0, 'latin1');
  header.writeUInt32BE(FORMAT, 4);
  header.writeBigUInt64BE(BigInt(snapshot.seq), 8);
  header.writeBigUInt64BE(BigInt(snapshot.epoch), 16);
  header.set(snapshot.digest, 24);
  header.writeBigUInt64BE(BigInt(snapshot.state.byteLength), 24 + digestBytes);
  header.set(contentOf(header, [snapshot.state, snapshot.dead]), COVERED);
  writeDurably(dir, snapshotPath(dir, snapshot.seq), [header, snapshot.state, snapshot.dead]);
  return header.byteLength + snapshot.state.byteLength + snapshot.dead.byteLength;
}

/** The snapshot at `seq`, or what is wrong with it. Throws for a newer format. */
export function readSnapshot(dir: string, seq: number): Snapshot | Finding {
  const path = snapshotPath(dir, seq);
  if (!existsSync(path)) return damaged(seq, 'is missing', null, null);
  const file = readFileSync(path);
  if (file.byteLength < HEADER || file.toString('latin1', 0, 4) !== MAGIC) {
    return damaged(seq, `is not a snapshot (${file.byteLength} bytes)`, null, null);
  }
  const body = file.subarray(HEADER);
  const expected = file.subarray(COVERED, HEADER);
  const found = contentOf(file.subarray(0, COVERED), [body]);
  if (!sameBytes(found, expected)) return damaged(seq, 'has damaged content', hex(expected), hex(found));
  const format = file.readUInt32BE(4);
  if (format > FORMAT) {
    throw new JournalError(
      'newer',
      `${path} has snapshot format ${format}; this program reads formats up to ${FORMAT}. Start the newer gryphgen.`,
    );
  }
  const stateBytes = Number(file.readBigUInt64BE(24 + digestBytes));
  const named = Number(file.readBigUInt64BE(8));
  if (named !== seq) return damaged(seq, `is the snapshot of commit ${named} under another name`, null, null);
  return {
    seq,
    epoch: Number(file.readBigUInt64BE(16)),
    digest: file.subarray(24, 24 + digestBytes),
    state: body.subarray(0, stateBytes),
    dead: body.subarray(stateBytes),
  };
}

export function isSnapshot(read: Snapshot | Finding): read is Snapshot {
  return 'state' in read;
}

function contentOf(header: Uint8Array, parts: readonly Uint8Array[]): Uint8Array {
  const digest = createHash('sha256').update(header.subarray(0, COVERED));
  for (const part of parts) digest.update(part);
  return digest.digest();
}

function damaged(seq: number, what: string, expected: string | null, found: string | null): Finding {
  return { kind: 'snapshot', seq, what: `The snapshot of commit ${seq} ${what}.`, expected, found };
}
