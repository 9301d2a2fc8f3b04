/**
 * Several rankings as one: reciprocal rank fusion (Cormack, Clarke and Büttcher, SIGIR 2009). Ranks are compared, not scores,
 * which have no common scale.
 */

export interface Ranking {
  /** Shown with each result: `words`, `vectors`. */
  readonly name: string;
  /** 0 leaves it out. */
  readonly weight: number;
  /** Best first, each once. */
  readonly ids: readonly string[];
  /** Where each stands, from 1, when they are only some of those that were ranked. */
  readonly ranks?: readonly number[];
}

export interface Fused {
  readonly id: string;
  readonly score: number;
  /** Where it stood, from 1, and what that added. */
  readonly parts: readonly { readonly ranking: string; readonly rank: number; readonly score: number }[];
}

/** How much less the second counts than the first: the value that its authors found to be good nearly everywhere. */
const RANK_OFFSET = 60;

/** Best first; of one score, by id. */
export function fuse(rankings: readonly Ranking[], rankOffset = RANK_OFFSET): readonly Fused[] {
  const parts = new Map<string, Fused['parts'][number][]>();
  for (const { name, weight, ids, ranks } of rankings) {
    if (weight === 0) continue;
    for (const [at, id] of ids.entries()) {
      const place = ranks?.[at] ?? at + 1;
      const part = { ranking: name, rank: place, score: weight / (rankOffset + place) };
      const found = parts.get(id);
      if (found === undefined) parts.set(id, [part]);
      else found.push(part);
    }
  }
  return [...parts]
    .map(([id, own]) => ({ id, score: own.reduce((sum, { score }) => sum + score, 0), parts: own }))
    .sort((a, b) => b.score - a.score || (a.id < b.id ? -1 : 1));
}
