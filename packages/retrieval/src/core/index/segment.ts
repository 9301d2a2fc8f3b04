/**
 * An immutable part of a collection's index. Passages have ordinals in it, from 0; what is deleted is marked dead, and gone
 * when segments are merged.
 */
import { FIELDS } from './postings.ts';

/** What of a segment is held in memory: 16 bytes a passage. */
export interface Segment {
  readonly count: number;
  /** The passages' ids, ascending. */
  readonly chunks: Uint32Array;
  /** Orders passages of one score alike in every index, in whatever order they came. */
  readonly ties: Uint32Array;
  /** Four a passage: terms in each field. */
  readonly lengths: Uint16Array;
  /** One bit a passage. */
  readonly dead: Uint8Array;
}

export const isDead = (dead: Uint8Array, ordinal: number): boolean =>
  ((dead[ordinal >> 3] as number) & (1 << (ordinal & 7))) !== 0;

/** Returns false when it was dead. */
export function kill(dead: Uint8Array, ordinal: number): boolean {
  if (isDead(dead, ordinal)) return false;
  dead[ordinal >> 3] = (dead[ordinal >> 3] as number) | (1 << (ordinal & 7));
  return true;
}

export interface Totals {
  readonly live: number;
  /** Terms by field, over the living. */
  readonly lengths: readonly number[];
}

export function totalsOf({ count, lengths, dead }: Segment): Totals {
  const sums = [0, 0, 0, 0];
  let live = 0;
  for (let ordinal = 0; ordinal < count; ordinal += 1) {
    if (isDead(dead, ordinal)) continue;
    live += 1;
    for (let field = 0; field < FIELDS.length; field += 1)
      sums[field] = (sums[field] as number) + (lengths[ordinal * FIELDS.length + field] as number);
  }
  return { live, lengths: sums };
}

/** The ordinal of a passage, or -1. */
export function ordinalOf({ chunks }: Segment, chunk: number): number {
  let low = 0;
  let high = chunks.length - 1;
  while (low <= high) {
    const middle = (low + high) >> 1;
    const found = chunks[middle] as number;
    if (found === chunk) return middle;
    if (found < chunk) low = middle + 1;
    else high = middle - 1;
  }
  return -1;
}
