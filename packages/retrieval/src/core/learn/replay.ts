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
  /** The same, by what is in force, as far as it was learned from the other queries. */
  readonly inForce: number;
  readonly queries: number;
}

const STRENGTHS = [0.25, 0.5, 0.75, 1];
const FOLDS = 5;
const DEPTH = 10;
/** A gain must be this many standard errors above nothing, and there must be queries enough to say so. */
const SURE = 2;
const MIN_QUERIES = 20;

const nothing = { feedback: [], strength: 0 };

/** `candidatesOf`: what the words find for a query, best first. `inForce`: what is believed now, and by how much. */
export function replay(
  feedback: readonly Feedback[],
  candidatesOf: (query: string) => readonly Candidate[],
  inForce: { readonly feedback: readonly Feedback[]; readonly strength: number } = nothing,
): Replayed {
  const served = servedBy(feedback);
  const queries = [...served.keys()].sort();
  const foldOf = new Map(queries.map((query, at) => [query, at % FOLDS]));
  const ndcgOf = (query: string, ranking: readonly Candidate[]) => {
    const ids = ranking.slice(0, DEPTH).map(({ id }) => id);
    return ndcg(ids, served.get(query) ?? new Map(), DEPTH);
  };
  const before = queries.map((query) => ndcgOf(query, candidatesOf(query)));
  const foldsOf = (known: readonly Feedback[]) =>
    Array.from({ length: FOLDS }, (_, fold) =>
      learnFrom(
        known.filter(({ query }) => foldOf.get(query) !== fold),
        1,
      ),
    );
  const by = (folds: readonly Learned[], strength: number) =>
    queries.map((query, at) => {
      const learned = { ...(folds[at % FOLDS] as Learned), strength };
      return ndcgOf(query, relearned(learned, query, candidatesOf(query)));
    });
  const folds = foldsOf(feedback);
  const tried = STRENGTHS.map((strength) => ({ strength, after: by(folds, strength) }));
  const [best] = tried.sort((a, b) => mean(b.after) - mean(a.after)) as [(typeof tried)[number]];
  const gains = best.after.map((value, at) => value - (before[at] as number));
  const isSure = queries.length >= MIN_QUERIES && mean(gains) > SURE * standardError(gains);
  return {
    learned: learnFrom(feedback, isSure ? best.strength : 0),
    before: mean(before),
    after: isSure ? mean(best.after) : mean(before),
    inForce: inForce.strength === 0 ? mean(before) : mean(by(foldsOf(inForce.feedback), inForce.strength)),
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
