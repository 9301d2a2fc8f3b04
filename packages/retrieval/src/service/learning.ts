/**
 * What collections learn from feedback, and answers by it.
 *
 * 1. The newest version is in force. It is data made from the feedback up to an entry, so what it says is kept nowhere else: what
 *    is forgotten of the feedback is forgotten by every version.
 * 2. A version comes into force only when the replay says that it answers queries better that it has not learned from, than
 *    without it and than by what is in force; or by a person's order.
 * 3. What a query names as a whole still comes first.
 */
import { type Failure, failure, type WeightsResult } from '@gryphgen/protocol';
import { type Candidate, type Feedback, type Learned, learnFrom, relearned } from '../core/learn/learned.ts';
import { type Replayed, replay } from '../core/learn/replay.ts';
import type {
  FeedbackEntry,
  KeptFeedback,
  LearnedVersion,
  Passage,
  Store,
  StoreQuery,
} from '../store/store.ts';
import { bestOfFiles } from './shown-passages.ts';

/** What feedback moves is looked for among as many. */
const depth = 100;
/** Newest queries that a replay asks again. */
const mostReplayed = 500;
/** Ten new words before it learns again by itself; five times that it was used count as one. */
const replayEach = 50;
const countsAs = { good: 5, bad: 5, used: 1 } as const;
/** In the terms of a score; no word is written so. */
const learnedTerm = '(feedback)';

export class Learning {
  private readonly store: () => Promise<Store>;
  private readonly known = new Map<string, Learned>();
  /** What came since the last replay, of this life of the service. */
  private readonly since = new Map<string, number>();

  constructor(store: () => Promise<Store>) {
    this.store = store;
  }

  /** As the store's, by what was learned. */
  async search(
    collection: string,
    text: string,
    limit: number,
    within: Pick<StoreQuery, 'statistics' | 'files'> = {},
  ): Promise<readonly Passage[]> {
    const store = await this.store();
    const learned = await this.inForce(collection);
    const query = { ...within, collections: [collection], text };
    if (learned.strength === 0) return await store.search({ ...query, limit });
    const found = await store.search({ ...query, limit: Math.max(limit, depth) });
    const levels = ['exactly', 'loosely', null] as const;
    return levels.flatMap((level) => reranked(learned, text, found, level)).slice(0, limit);
  }

  /** Learns, when there is enough that is new. */
  async add(collection: string, entry: FeedbackEntry): Promise<WeightsResult> {
    const store = await this.store();
    await store.addFeedback(collection, entry);
    const since = (this.since.get(collection) ?? 0) + countsAs[entry.verdict];
    this.since.set(collection, since);
    return since < replayEach ? await this.told(collection) : await this.learn(collection);
  }

  async learn(collection: string): Promise<WeightsResult> {
    const store = await this.store();
    const kept = lastWords(await store.feedback(collection));
    const [current] = await store.versions(collection);
    const replayed = await this.replayed(collection, kept, current);
    const { learned, before, after, inForce, queries } = replayed;
    const promoted = learned.strength > 0 && after > inForce;
    if (promoted) {
      const upTo = Math.max(...kept.map(({ id }) => id));
      const at = Date.now();
      const { strength } = learned;
      await store.addVersion(collection, { upTo, strength, queries, before, after, at, like: null });
    }
    this.forget(collection);
    return { ...(await this.told(collection)), replay: { queries, before, inForce, after, promoted } };
  }

  /** Without a version: what was in force before what is. 0: nothing that was learned. */
  async revert(collection: string, to: number | undefined): Promise<WeightsResult | Failure> {
    const store = await this.store();
    const versions = await store.versions(collection);
    const [current] = versions;
    const wanted = to ?? Math.max(0, (current?.like ?? current?.version ?? 0) - 1);
    const version = versions.find((one) => one.version === wanted);
    if (wanted !== 0 && version === undefined)
      return failure('rejected.not-found', `there is no version ${wanted} of what ${collection} learned`);
    const like = { ...(version ?? unlearned), at: Date.now(), like: wanted };
    if (current !== undefined) await store.addVersion(collection, like);
    this.forget(collection);
    return await this.told(collection);
  }

  async told(collection: string): Promise<WeightsResult> {
    const store = await this.store();
    const { length: feedback } = await store.feedback(collection);
    const versions = (await store.versions(collection)).map(({ upTo: _, like, ...version }) => ({
      ...version,
      ...(like !== null && { like }),
    }));
    return { feedback, versions };
  }

  /** What is in the store has changed: it is read again. */
  forget(collection: string): void {
    this.known.delete(collection);
    this.since.delete(collection);
  }

  private async inForce(collection: string): Promise<Learned> {
    const known = this.known.get(collection);
    if (known !== undefined) return known;
    const store = await this.store();
    const [current = unlearned] = await store.versions(collection);
    const feedback = current.strength === 0 ? [] : until(current, await store.feedback(collection));
    const learned = learnFrom(feedback, current.strength);
    this.known.set(collection, learned);
    return learned;
  }

  private async replayed(
    collection: string,
    kept: readonly KeptFeedback[],
    current: LearnedVersion = { version: 0, ...unlearned },
  ): Promise<Replayed> {
    const store = await this.store();
    const queries = new Set(
      kept
        .map(({ query }) => query)
        .reverse()
        .slice(0, mostReplayed),
    );
    const candidates = new Map<string, readonly Candidate[]>();
    for (const text of queries) {
      const found = bestOfFiles(await store.search({ collections: [collection], text, limit: depth }));
      candidates.set(
        text,
        found.map(({ source, score }) => ({ id: source.key, score })),
      );
    }
    const asked = kept.filter(({ query }) => queries.has(query));
    const inForce = { feedback: until(current, asked), strength: current.strength };
    return replay(asked.map(feedbackOf), (query) => candidates.get(query) ?? [], inForce);
  }
}

const unlearned = { upTo: 0, strength: 0, queries: 0, before: 0, after: 0, at: 0, like: null };

const feedbackOf = ({ query, key, verdict }: KeptFeedback): Feedback => ({ query, id: key, verdict });

function until({ upTo }: Pick<LearnedVersion, 'upTo'>, kept: readonly KeptFeedback[]): readonly Feedback[] {
  return lastWords(kept.filter(({ id }) => id <= upTo)).map(feedbackOf);
}

/** Who says something else of an answer later means that; that it was used later is nobody's word. */
function lastWords(kept: readonly KeptFeedback[]): readonly KeptFeedback[] {
  const last = new Map<string, KeptFeedback>();
  for (const one of kept) {
    const about = `${one.key}\n${one.query}`;
    if (one.verdict !== 'used' || !last.has(about)) last.set(about, one);
  }
  return [...last.values()];
}

function reranked(
  learned: Learned,
  text: string,
  found: readonly Passage[],
  level: Passage['named'],
): readonly Passage[] {
  const candidates = found
    .filter(({ named }) => named === level)
    .map((passage) => ({ id: passage.source.key, score: passage.score, passage }));
  return relearned(learned, text, candidates).map(({ passage, learned: added }) =>
    added === 0
      ? passage
      : {
          ...passage,
          score: passage.score + added,
          terms: [...passage.terms, { term: learnedTerm, score: added }],
        },
  );
}
