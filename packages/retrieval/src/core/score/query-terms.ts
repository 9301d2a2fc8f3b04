/** A query as the terms that it is looked up by. */
import { nameTerms, runsOf, termsOfRun } from '../terms/terms.ts';

export interface QueryTerms {
  /** How often each is asked for. */
  readonly terms: ReadonlyMap<string, number>;
  /** The whole query as a name. */
  readonly names: readonly [exact: string, folded: string] | undefined;
}

/** A query of more is cut: a person asks with ten, and each costs a look into the index. */
const MAX_TERMS = 128;
/** Beyond this a query is a document; its beginning says what it is about. */
const MAX_CHARS = 8192;

/** Words that it is looked up by, each once: a stop word is none, and an identifier counts by its words. */
export function askedWords(query: string): number {
  return [...queryTerms(query).terms.keys()].filter((term) => !term.startsWith('~')).length;
}

export function queryTerms(query: string): QueryTerms {
  const terms = new Map<string, number>();
  const add = (term: string) => {
    if (terms.has(term) || terms.size < MAX_TERMS) terms.set(term, (terms.get(term) ?? 0) + 1);
  };
  for (const run of runsOf(query.slice(0, MAX_CHARS))) {
    const { words, compound } = termsOfRun(run);
    for (const word of words) add(word);
    // A word that someone wrote as two, such as fileName; rare terms all, so they cost nothing where there is none.
    if (words.length > 0) add(compound ?? `~${run.toLowerCase()}`);
  }
  return { terms, names: nameTerms(query.slice(0, MAX_CHARS)) };
}
