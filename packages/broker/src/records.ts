/** Decisions as the bytes of a commit group, and back. Plain msgpack arrays: any later program can read them. */
import { Packr, Unpackr } from 'msgpackr';
import type { Decision } from './core/decisions.ts';
import type { Snapshot } from './core/snapshot.ts';

const packr = new Packr({ useRecords: false, largeBigIntToFloat: true, int64AsType: 'number' });
const unpackr = new Unpackr({ useRecords: false, int64AsType: 'number' });

/** The returned bytes are the caller's own (they are transferred to the journal's thread). */
export function encodeDecisions(decisions: readonly Decision[]): Uint8Array {
  return new Uint8Array(packr.pack(decisions));
}

export function decodeDecisions(bytes: Uint8Array): Decision[] {
  return unpackr.unpack(bytes) as Decision[];
}

export function encodeSnapshot(snapshot: Snapshot): Uint8Array {
  return new Uint8Array(packr.pack(snapshot));
}

export function decodeSnapshot(bytes: Uint8Array): Snapshot {
  return unpackr.unpack(bytes) as Snapshot;
}
