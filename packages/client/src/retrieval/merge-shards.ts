/** What the shards of a collection answered, as one. Pure. */
import {
  type CandidatesResult,
  limits,
  type Passage,
  type PassageOrder,
  type QueryResult,
  type Statistics,
} from '@gryphgen/protocol';

/** Of all of them together; what no such sums can be (a shard that lies) is cut, so that the others can be asked by it. */
export function summed(parts: readonly Statistics[]): Statistics {
  const lengths = [0, 0, 0, 0];
  const holding = new Map<string, number>();
  let live = 0;
  for (const part of parts) {
    live += part.live;
    part.lengths.forEach((length, at) => {
      lengths[at] = (lengths[at] ?? 0) + length;
    });
    for (const [term, count] of part.holding) holding.set(term, (holding.get(term) ?? 0) + count);
  }
  const sum = (count: number): number => Math.min(count, Number.MAX_SAFE_INTEGER);
  return {
    live: sum(live),
    lengths: lengths.map(sum),
    holding: [...holding].slice(0, limits.queryTerms).map(([term, count]) => [term, sum(count)]),
  };
}

/** By shard: which of its passages are among the `depth` best of each ranking, and where they stand there, from 1. */
export interface Standing {
  readonly words: [tie: number, rank: number][];
  readonly meaning: [tie: number, rank: number][];
}

export function ranksAmongAll(
  answers: ReadonlyMap<number, CandidatesResult>,
  depth: number,
): ReadonlyMap<number, Standing> {
  const standing = new Map<number, Standing>();
  for (const shard of answers.keys()) standing.set(shard, { words: [], meaning: [] });
  for (const ranking of ['words', 'meaning'] as const) {
    const all = [...answers].flatMap(([shard, answer]) => answer[ranking].map((order) => ({ shard, order })));
    all.sort((a, b) => compare(a.order, b.order));
    for (const [at, { shard, order }] of all.slice(0, depth).entries())
      standing.get(shard)?.[ranking].push([order[2], at + 1]);
  }
  return standing;
}

/**
 * The best of all. Where a shard has more than its answer holds, what stands behind its last is not known: the list ends
 * there.
 */
export function merged(
  answers: readonly QueryResult[],
  count: number,
  of: 'passages' | 'files',
): QueryResult {
  const all = answers.flatMap(({ results, more }) =>
    results.map((passage, at) => ({
      passage,
      order: passage.order ?? lowest,
      isLastKnown: more === true && at === results.length - 1,
    })),
  );
  all.sort((a, b) => compare(a.order, b.order));
  const end = all.findIndex(({ isLastKnown }) => isLastKnown) + 1 || all.length;
  const known = all.slice(0, end).map(({ passage: { order: _, ...rest } }) => rest);
  const results = (of === 'files' ? eachFileOnce(known) : known).slice(0, count);
  return { results, cut: answers.some(({ cut }) => cut) };
}

const lowest: PassageOrder = [0, 0, 0];

/** What is named as a whole comes first; of one score the tie decides, as in one index. */
function compare(a: PassageOrder, b: PassageOrder): number {
  return b[0] - a[0] || b[1] - a[1] || a[2] - b[2];
}

function eachFileOnce(passages: readonly Passage[]): readonly Passage[] {
  const files = new Map<string, Passage>();
  for (const passage of passages) {
    const file = `${passage.machine}\n${passage.source}`;
    if (!files.has(file)) files.set(file, passage);
  }
  return [...files.values()];
}
