/**
 * Which workers a placement compares: all, but of very many those that come first in an order of their own, until enough
 * of them could take the task. The best of some hundreds is hardly worse than the best of ten thousand, and scoring them all
 * keeps everybody waiting when a shape is new.
 *
 * 1. By their ids and their number alone: every caller comes to the same ones, whatever the order of its list.
 * 2. For all shapes alike: what one has opened the next one fills, and the rest stays whole.
 * 3. Nobody is left out for good: as long as too few could take the task, more are looked at, at last all.
 */
import type { WorkerId } from '@gryphgen/protocol';

/** Of so many all are compared: each takes some microseconds. */
export const mostCompared = 2048;
/** Looked at first, about; and so many times more with each step. */
const firstLook = 512;
const widening = 4;
/** That could take it. */
export const enough = 64;

/** Lots up to which to look, in turn. */
export function looksOf(workers: number): readonly number[] {
  if (workers <= mostCompared) return everybody;
  const looks: number[] = [];
  for (let upTo = firstLook / workers; upTo < 1; upTo *= widening) looks.push(upTo);
  return [...looks, 1];
}
const everybody = [1];

/** A worker's place in that order, 0 to less than 1: FNV-1a of its id, its bits mixed as in MurmurHash3. */
export function lotOf(id: WorkerId): number {
  let hash = 0x811c9dc5;
  for (let at = 0; at < id.length; at += 1) hash = Math.imul(hash ^ id.charCodeAt(at), 0x01000193);
  hash = Math.imul(hash ^ (hash >>> 16), 0x85ebca6b);
  hash = Math.imul(hash ^ (hash >>> 13), 0xc2b2ae35);
  return ((hash ^ (hash >>> 16)) >>> 0) / 2 ** 32;
}

export function isWithin(lot: number, from: number, upTo: number): boolean {
  return lot >= from && lot < upTo;
}
