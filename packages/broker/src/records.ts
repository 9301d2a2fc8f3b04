/**
 * Decisions as the bytes of a commit group, and back: `[names, decisions, format]` in plain msgpack, so that any later
 * program can read them.
 *
 * 1. Tasks of one group share envelopes, principals, clients and workers: what a decision names stands in `names` once,
 *    and the decision holds its place there. Half the bytes, and half the time to write and to replay them.
 * 2. What this version cannot read is refused in words that name what was found and what was expected. It passed its
 *    digest, so it is as it was written: by another version.
 */
import { productVersion } from '@gryphgen/protocol';
import { Packr, Unpackr } from 'msgpackr';
import { type Decision, decided } from './core/record/decisions.ts';
import type { Snapshot, SnapshotInTurn } from './core/record/snapshot.ts';
import { JournalError } from './journal/journal.ts';

/** 1 was the decisions alone, without names; a group that does not say its format is of 2. */
const recordsFormat = 2;
/** By kind of decision: its parts, as `Decision` lists them. Later versions may add parts at the end. */
const partsOf: readonly number[] = [4, 10, 6, 10, 7, 3, 4, 4, 3, 3, 3, 3, 5, 4, 7, 5, 3, 5, 3];
const snapshotParts = ['nextTask', 'decisions', 'keptSpecs', 'tries', 'keys', 'windows'] as const;

/** Decisions of a snapshot that are written at a time: some hundred kilobytes, and fewer than 65,536. */
const pieceDecisions = 1024;

const packr = new Packr({ useRecords: false, largeBigIntToFloat: true, int64AsType: 'number' });
const unpackr = new Unpackr({ useRecords: false, int64AsType: 'number' });

/** By kind of decision: the positions that name something. Of the kinds that every task costs; the others are rare. */
const namedAt: Readonly<Record<number, readonly number[]>> = {
  [decided.accepted]: [2, 3, 4, 5],
  [decided.leased]: [3],
};

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
  return new Uint8Array(packr.pack([[...names.keys()], records, recordsFormat]));
}

function placeOf(names: Map<unknown, number>, name: unknown): number {
  let place = names.get(name);
  if (place === undefined) {
    place = names.size;
    names.set(name, place);
  }
  return place;
}

/** Throws JournalError: `newer`, or `damaged` for what no later version would have written either. */
export function decodeDecisions(bytes: Uint8Array): Decision[] {
  const [names, records] = readGroup(unpack(bytes, 'its records'));
  for (const record of records) {
    checkParts(record);
    for (const position of namedAt[record[0] as number] ?? []) {
      const place = record[position] as number;
      if (!(place in names)) {
        throw new JournalError(
          'damaged',
          `a decision of kind ${record[0]} names number ${place} of ${names.length} names`,
        );
      }
      record[position] = names[place];
    }
  }
  return records as unknown as Decision[];
}

function readGroup(group: unknown): [names: readonly unknown[], records: readonly unknown[][]] {
  if (!Array.isArray(group)) {
    throw new JournalError(
      'damaged',
      `its records are ${nameOf(group)}, expected a list of names and decisions`,
    );
  }
  const [names, records, format = recordsFormat] = group as unknown[];
  if (typeof format === 'number' && format > recordsFormat) {
    throw new JournalError(
      'newer',
      `its records are of format ${format}, gryphgen ${productVersion} reads format ${recordsFormat}: start a newer gryphgen on it`,
    );
  }
  if (format === recordsFormat && Array.isArray(names) && Array.isArray(records)) return [names, records];
  throw new JournalError(
    'damaged',
    `its records are of format 1 or of none (${nameOf(names)} stands first, as in a list of decisions), gryphgen ` +
      `${productVersion} reads format ${recordsFormat} (names, then decisions): the build that wrote it reads it`,
  );
}

function checkParts(record: unknown): asserts record is unknown[] {
  if (!Array.isArray(record))
    throw new JournalError('damaged', `a decision is ${nameOf(record)}, expected a list`);
  const kind = record[0] as number;
  const parts = partsOf[kind];
  if (parts === undefined) {
    throw new JournalError(
      'newer',
      `it holds a decision of kind ${kind}, gryphgen ${productVersion} knows kinds 0 to ${partsOf.length - 1}: start a newer gryphgen on it`,
    );
  }
  if (record.length < parts) {
    throw new JournalError(
      'damaged',
      `a decision of kind ${kind} has ${record.length} parts, ${parts} were expected`,
    );
  }
}

/**
 * In pieces: msgpackr keeps a buffer as large as the largest value that it ever wrote, and this one grows with the state.
 */
export function encodeSnapshot({ decisions, ...rest }: SnapshotInTurn): Uint8Array {
  const others = Object.entries(rest).filter(([, value]) => value !== undefined);
  const pieces: Uint8Array[] = [];
  let written = 0;
  let piece: unknown[] = [];
  const write = () => {
    // Without its head, which says how many follow: they are part of one list.
    pieces.push(new Uint8Array(packr.pack(piece).subarray(piece.length < 16 ? 1 : 3)));
    written += piece.length;
    piece = [];
  };
  for (const decision of decisions) {
    piece.push(decision);
    if (piece.length === pieceDecisions) write();
  }
  if (piece.length > 0) write();
  const head = [Buffer.of(0xde, 0, others.length + 1), packed('decisions'), listOf(written)];
  const tail = others.flatMap(([name, value]) => [packed(name), packed(value)]);
  return joined([...head, ...pieces, ...tail]);
}

/** No Buffer: what is read from one are Buffers, whose `slice` is no copy. */
function joined(parts: readonly Uint8Array[]): Uint8Array {
  const all = new Uint8Array(parts.reduce((sum, { byteLength }) => sum + byteLength, 0));
  let at = 0;
  for (const part of parts) {
    all.set(part, at);
    at += part.byteLength;
  }
  return all;
}

/** A copy: what is packed is a part of the buffer that it was packed into. */
function packed(value: unknown): Uint8Array {
  return new Uint8Array(packr.pack(value));
}

/** The head of a list (msgpack's array 32). */
function listOf(count: number): Uint8Array {
  const head = Buffer.alloc(5);
  head[0] = 0xdd;
  head.writeUInt32BE(count, 1);
  return head;
}

/** Throws JournalError. */
export function decodeSnapshot(bytes: Uint8Array): Snapshot {
  const snapshot = unpack(bytes, 'its parts') as Partial<Snapshot> | null;
  const missing = snapshotParts.filter((part) => snapshot?.[part] === undefined);
  if (missing.length === 0) return snapshot as Snapshot;
  throw new JournalError(
    'damaged',
    `the snapshot lacks ${missing.join(', ')}, which gryphgen ${productVersion} expects: the build that wrote it reads it`,
  );
}

function unpack(bytes: Uint8Array, what: string): unknown {
  try {
    return unpackr.unpack(bytes);
  } catch (error) {
    throw new JournalError(
      'damaged',
      `${what} are no msgpack (${error instanceof Error ? error.message : String(error)})`,
    );
  }
}

function nameOf(value: unknown): string {
  if (Array.isArray(value)) return 'a list';
  return typeof value === 'object' && value !== null ? 'an object' : String(value);
}
