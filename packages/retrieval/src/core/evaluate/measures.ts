/**
 * How good a ranking is, as trec_eval counts: nDCG with the gain itself and log2(rank + 1), MAP over all relevant documents,
 * the reciprocal rank of the first, recall.
 */

/** Judged relevance by document; above 0 is relevant. */
export type Judgments = ReadonlyMap<string, number>;

export interface Quality {
  readonly ndcgAt10: number;
  readonly map: number;
  readonly mrr: number;
  /** Among the first `recallDepth`. */
  readonly recall: number;
  readonly queries: number;
}

export function ndcg(ranking: readonly string[], judgments: Judgments, depth: number): number {
  const ideal = [...judgments.values()].filter((gain) => gain > 0).sort((a, b) => b - a);
  const best = discounted(ideal.slice(0, depth));
  if (best === 0) return 0;
  return discounted(ranking.slice(0, depth).map((id) => Math.max(0, judgments.get(id) ?? 0))) / best;
}

const discounted = (gains: readonly number[]): number =>
  gains.reduce((sum, gain, at) => sum + gain / Math.log2(at + 2), 0);

export function averagePrecision(ranking: readonly string[], judgments: Judgments): number {
  let found = 0;
  let sum = 0;
  ranking.forEach((id, at) => {
    if (!isRelevant(judgments, id)) return;
    found += 1;
    sum += found / (at + 1);
  });
  const relevant = relevantOf(judgments);
  return relevant === 0 ? 0 : sum / relevant;
}

export function reciprocalRank(ranking: readonly string[], judgments: Judgments): number {
  const at = ranking.findIndex((id) => isRelevant(judgments, id));
  return at === -1 ? 0 : 1 / (at + 1);
}

export function recall(ranking: readonly string[], judgments: Judgments, depth: number): number {
  const relevant = relevantOf(judgments);
  if (relevant === 0) return 0;
  return ranking.slice(0, depth).filter((id) => isRelevant(judgments, id)).length / relevant;
}

const isRelevant = (judgments: Judgments, id: string): boolean => (judgments.get(id) ?? 0) > 0;
const relevantOf = (judgments: Judgments): number =>
  [...judgments.values()].filter((gain) => gain > 0).length;

/** Means over the queries that have a relevant document, as trec_eval does with -c; a query without a ranking counts 0. */
export function quality(
  rankings: ReadonlyMap<string, readonly string[]>,
  qrels: ReadonlyMap<string, Judgments>,
  recallDepth = 100,
): Quality {
  const judged = [...qrels].filter(([, judgments]) => relevantOf(judgments) > 0);
  const mean = (of: (ranking: readonly string[], judgments: Judgments) => number) =>
    judged.length === 0
      ? 0
      : judged.reduce((sum, [query, judgments]) => sum + of(rankings.get(query) ?? [], judgments), 0) /
        judged.length;
  return {
    ndcgAt10: mean((ranking, judgments) => ndcg(ranking, judgments, 10)),
    map: mean(averagePrecision),
    mrr: mean(reciprocalRank),
    recall: mean((ranking, judgments) => recall(ranking, judgments, recallDepth)),
    queries: judged.length,
  };
}
