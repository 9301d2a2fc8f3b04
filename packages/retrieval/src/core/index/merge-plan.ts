/** When segments are merged: so that there are few of them, and each passage is written again only a few times. */

export interface MergeCandidate {
  /** Passages, the dead too. */
  readonly count: number;
  readonly live: number;
}

/** So many of one size become one. */
const FAN_IN = 8;
const SMALLEST = 512;
/** A segment of more dead than this is written anew. */
const MAX_DEAD_SHARE = 0.3;

/** The run [from, to) of a collection's segments, oldest first, that is to become one; undefined when all is well. */
export function mergePlan(
  segments: readonly MergeCandidate[],
): readonly [from: number, to: number] | undefined {
  // What follows another is of the same size or smaller, mostly: so runs of neighbours are enough, and keep ids in order.
  for (let size = SMALLEST; ; size *= FAN_IN) {
    let from = segments.length;
    while (from > 0 && (segments[from - 1] as MergeCandidate).count <= size) from -= 1;
    // Smaller ones come along, but do not count: a large one would be written again for each few of them.
    const least = size === SMALLEST ? 0 : size / FAN_IN;
    if (segments.slice(from).filter(({ count }) => count > least).length >= FAN_IN)
      return [from, segments.length];
    if (from === 0) break;
  }
  const worn = segments.findIndex(({ count, live }) => count - live > count * MAX_DEAD_SHARE);
  return worn === -1 ? undefined : [worn, worn + 1];
}
