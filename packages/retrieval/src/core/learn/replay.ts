/**
 * Finds how much of what was learned to believe: each part of the feedback is held out in turn, learned from the rest, and its
 * queries ranked again. What does not help queries that it has not seen is not believed at all.
 */
import { ndcg } from '../evaluate/measures.ts';
import { type Candidate, type Feedback, type Learned, learnFrom, relearned } from './learned.ts';

export interface Replayed {
  /** Of strength 0 when nothing helped. */
  readonly learned: Learned;
  /** nDCG@10 over the held-out queries, as it was and as it is. */
  readonly before: number;
  readonly after: number;
  readonly queries: number;
}

const STRENGTHS = [0.25, 0.5, 0.75, 1];
const FOLDS = 5;
const DEPTH = 10;
/** A gain must be this many standard errors above nothing, and there must be queries enough to say so. */
const SURE = 2;
const MIN_QUERIES = 20;

/** `candidatesOf`: what the words find for a query, best first. */
export function replay(
  feedback: readonly Feedback[],
  candidatesOf: (query: string) => readonly Candidate[],
): Replayed {
  const served = servedBy(feedback);
  const queries = [...served.keys()].sort();
  const foldOf = new Map(queries.map((query, at) => [query, at % FOLDS]));
  const ndcgOf = (query: string, ranking: readonly Candidate[]) => {
    const ids = ranking.slice(0, DEPTH).map(({ id }) => id);
    return ndcg(ids, served.get(query) ?? new Map(), DEPTH);
  };
  const before = queries.map((query) => ndcgOf(query, candidatesOf(query)));
  const folds = Array.from({ length: FOLDS }, (_, fold) =>
    learnFrom(
      feedback.filter(({ query }) => foldOf.get(query) !== fold),
      1,
    ),
  );
  const tried = STRENGTHS.map((strength) => ({
    strength,
    after: queries.map((query, at) => {
      const learned = { ...(folds[at % FOLDS] as Learned), strength };
      return ndcgOf(query, relearned(learned, query, candidatesOf(query)));
    }),
  }));
  const [best] = tried.sort((a, b) => mean(b.after) - mean(a.after)) as [(typeof tried)[number]];
  const gains = best.after.map((value, at) => value - (before[at] as number));
  const isSure = queries.length >= MIN_QUERIES && mean(gains) > SURE * standardError(gains);
  return {
    learned: learnFrom(feedback, isSure ? best.strength : 0),
    before: mean(before),
    after: isSure ? mean(best.after) : mean(before),
    queries: queries.length,
  };
}

/** Which documents served a query: what it should find. */
function servedBy(feedback: readonly Feedback[]): ReadonlyMap<string, ReadonlyMap<string, number>> {
  const served = new Map<string, Map<string, number>>();
  for (const { query, id, verdict } of feedback)
    if (verdict !== 'bad') served.set(query, (served.get(query) ?? new Map<string, number>()).set(id, 1));
  return served;
}

const mean = (values: readonly number[]): number =>
  values.length === 0 ? 0 : values.reduce((sum, value) => sum + value, 0) / values.length;

function standardError(values: readonly number[]): number {
  const middle = mean(values);
  const squares = values.reduce((sum, value) => sum + (value - middle) ** 2, 0);
  return Math.sqrt(squares / (values.length - 1) / values.length);
}
