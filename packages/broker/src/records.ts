/**
 * Decisions as the bytes of a commit group, and back: `[names, decisions]` in plain msgpack, so that any later program
 * can read them.
 *
 * 1. Tasks of one group share envelopes, principals, clients and workers: what a decision names stands in `names` once,
 *    and the decision holds its place there. Half the bytes, and half the time to write and to replay them.
 */
import { Packr, Unpackr } from 'msgpackr';
import type { Decision } from './core/decisions.ts';
import type { Snapshot } from './core/snapshot.ts';

const packr = new Packr({ useRecords: false, largeBigIntToFloat: true, int64AsType: 'number' });
const unpackr = new Unpackr({ useRecords: false, int64AsType: 'number' });

/** By kind of decision: the positions that name something. Of the kinds that every task costs; the others are rare. */
const namedAt: Readonly<Record<number, readonly number[]>> = { 1: [2, 3, 4, 5], 2: [3] };

/** The returned bytes are the caller's own (they are transferred to the journal's thread). */
export function encodeDecisions(decisions: readonly Decision[]): Uint8Array {
  const names = new Map<unknown, number>();
  const records = decisions.map((decision) => {
    const positions = namedAt[decision[0]];
    if (positions === undefined) return decision;
    const record: unknown[] = [...decision];
    for (const position of positions) record[position] = placeOf(names, record[position]);
    return record;
  });
  return new Uint8Array(packr.pack([[...names.keys()], records]));
}

function placeOf(names: Map<unknown, number>, name: unknown): number {
  let place = names.get(name);
  if (place === undefined) {
    place = names.size;
    names.set(name, place);
  }
  return place;
}

export function decodeDecisions(bytes: Uint8Array): Decision[] {
  const [names, records] = unpackr.unpack(bytes) as [string[], unknown[][]];
  for (const record of records) {
    for (const position of namedAt[record[0] as number] ?? [])
      record[position] = names[record[position] as number];
  }
  return records as unknown as Decision[];
}

export function encodeSnapshot(snapshot: Snapshot): Uint8Array {
  return new Uint8Array(packr.pack(snapshot));
}

export function decodeSnapshot(bytes: Uint8Array): Snapshot {
  return unpackr.unpack(bytes) as Snapshot;
}
