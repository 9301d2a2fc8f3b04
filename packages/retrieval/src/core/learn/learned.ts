/**
 * What a collection learns from people: a document that served a query is what other queries with its words may be after.
 *
 * 1. What is learned is data made from the feedback alone: the same feedback makes the same, so an earlier state comes back
 *    by leaving out what came later.
 * 2. It only moves what the words found already; how far, `strength` says, and replay.ts finds.
 * 3. What was merely used counts up to `mostUsed` for a document and a word, however often: one word against it weighs more.
 */
import { queryTerms } from '../score/query-terms.ts';

export interface Feedback {
  readonly query: string;
  /** The document that was answered. */
  readonly id: string;
  /** `used`: opened or cited, without a word on it. */
  readonly verdict: 'good' | 'used' | 'bad';
}

export interface Learned {
  /** 0 learns nothing; 1 counts a word of a query that a document served about as much as the word in the document. */
  readonly strength: number;
  /** Queries with feedback, and how many of them have a term. */
  readonly queries: number;
  readonly queriesWith: ReadonlyMap<string, number>;
  /** By document and term: for how many queries with the term it was good, less those for which it was bad. */
  readonly documents: ReadonlyMap<string, ReadonlyMap<string, number>>;
}

export interface Candidate {
  readonly id: string;
  readonly score: number;
}

const COUNTS = { good: 1, used: 0.5, bad: -1 } as const;
const mostUsed = 0.75;

export function learnFrom(feedback: readonly Feedback[], strength: number): Learned {
  const [said, used] = [new Map<string, Map<string, number>>(), new Map<string, Map<string, number>>()];
  const queriesWith = new Map<string, number>();
  const termsOf = new Map<string, readonly string[]>();
  for (const { query, id, verdict } of feedback) {
    let terms = termsOf.get(query);
    if (terms === undefined) {
      terms = [...queryTerms(query).terms.keys()];
      termsOf.set(query, terms);
      for (const term of terms) queriesWith.set(term, (queriesWith.get(term) ?? 0) + 1);
    }
    const documents = verdict === 'used' ? used : said;
    const counts = documents.get(id) ?? new Map<string, number>();
    for (const term of terms) counts.set(term, (counts.get(term) ?? 0) + COUNTS[verdict]);
    documents.set(id, counts);
  }
  for (const [id, counts] of used) {
    const all = said.get(id) ?? new Map<string, number>();
    for (const [term, count] of counts) all.set(term, (all.get(term) ?? 0) + Math.min(count, mostUsed));
    said.set(id, all);
  }
  return { strength, queries: termsOf.size, queriesWith, documents: said };
}

/** Best first; what scores alike keeps its order. `learned`: what was added to the score, in the same units. */
export function relearned<Result extends Candidate>(
  learned: Learned,
  query: string,
  candidates: readonly Result[],
): readonly (Result & { readonly learned: number })[] {
  const terms = [...queryTerms(query).terms.keys()];
  return candidates
    .map((candidate) => ({ ...candidate, learned: learnedScore(learned, terms, candidate.id) }))
    .sort((a, b) => b.score + b.learned - (a.score + a.learned));
}

function learnedScore(
  { strength, queries, queriesWith, documents }: Learned,
  terms: readonly string[],
  id: string,
): number {
  const counts = documents.get(id);
  if (counts === undefined) return 0;
  let score = 0;
  for (const term of terms) {
    const count = counts.get(term);
    if (count === undefined) continue;
    const asked = queriesWith.get(term) ?? 0;
    // The more queries have the term, the less it says; the hundredth approval says little more than the tenth.
    score += Math.log(1 + (queries - asked + 0.5) / (asked + 0.5)) * (count / (Math.abs(count) + 1));
  }
  return strength * score;
}
