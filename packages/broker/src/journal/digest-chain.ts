/**
 * The hash chain over commit groups: who holds one digest can check everything before it, content or no content.
 *
 * 1. The encodings below are frozen for format 1: a changed byte here makes every existing journal look damaged.
 * 2. A group's digest covers its place (seq, epoch), its predecessor, its records and which blobs it named.
 */
import { hash } from 'node:crypto';

/** Written into every group; a reader refuses what it does not know. */
export const journalFormat = 1;
export const digestBytes = 32;
/** What the first group follows. */
export const genesis: Uint8Array = new Uint8Array(digestBytes);

export interface Link {
  readonly seq: number;
  readonly epoch: number;
  readonly format: number;
  readonly previous: Uint8Array;
  /** contentDigest of the group: kept with the link, so that the chain can be checked after the records are gone. */
  readonly content: Uint8Array;
}

export function sha256(bytes: Uint8Array): Uint8Array {
  return hash('sha256', bytes, 'buffer');
}

/** `named`: the 32-byte hashes of the group's blobs, one after the other. */
export function contentDigest(records: Uint8Array, named: Uint8Array): Uint8Array {
  return sha256(Buffer.concat([sha256(records), named]));
}

export function linkDigest(link: Link): Uint8Array {
  const bytes = Buffer.alloc(24 + 2 * digestBytes);
  bytes.write('GGJL', 0, 'latin1');
  bytes.writeUInt32BE(link.format, 4);
  bytes.writeBigUInt64BE(BigInt(link.seq), 8);
  bytes.writeBigUInt64BE(BigInt(link.epoch), 16);
  bytes.set(link.previous, 24);
  bytes.set(link.content, 24 + digestBytes);
  return sha256(bytes);
}

export function sameBytes(a: Uint8Array, b: Uint8Array): boolean {
  return Buffer.compare(a, b) === 0;
}

export function hex(bytes: Uint8Array): string {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString('hex');
}
