/**
 * Vectors of a collection's passages, and answers by them beside those by words.
 *
 * 1. Who brings files or asks has them made, with their own rights: the service asks no model, and knows one by name and file.
 * 2. All vectors of a collection are by one model; those of another are refused, or take their place by a person's order.
 * 3. Both rankings are fused by rank. What a query names as a whole still comes first.
 */
import {
  type Embedding,
  type EmbedResult,
  type Failure,
  failure,
  type IngestBody,
  limits,
  type RetrieveBody,
  type UnembeddedResult,
} from '@gryphgen/protocol';
import { fuse } from '../core/fuse/reciprocal-rank.ts';
import { tieOf } from '../core/index/index-fields.ts';
import type { NearestQuery, Passage, Store } from '../store/store.ts';

/** Of each ranking, at least: what is far down in both is not far up in their fusion. */
const depth = 100;
/** What the first of one ranking has; it is also how slowly that falls (reciprocal-rank.ts). */
const firstScore = 61;
/** In the terms of a score; no word is written so. */
const meaningTerm = '(meaning)';
const wordsTerm = '(words)';
/** Of passages that are to be embedded, looked at for one answer: their texts fill it sooner. */
const mostUnembedded = 256;
const valueBytes = 4;

type Embed = Extract<IngestBody, { op: 'embed' }>;
type Vectors = Extract<IngestBody, { op: 'vectors' }>;
type Within = Pick<NearestQuery, 'collection' | 'files'>;
export type QueryVector = NonNullable<Extract<RetrieveBody, { op: 'query' }>['vector']>;

export class Meaning {
  private readonly store: () => Promise<Store>;

  constructor(store: () => Promise<Store>) {
    this.store = store;
  }

  async embedBy({ collection, embedding, again = false }: Embed): Promise<EmbedResult | Failure> {
    const store = await this.store();
    const now = await store.embedding(collection);
    if (now !== undefined && !isSame(now, embedding) && !again) return otherModel(collection, now, embedding);
    await store.embedBy(collection, embedding, again);
    return { embedding, lacking: await store.countUnembedded(collection) };
  }

  async add({ collection, embedding, passages, values }: Vectors): Promise<{ kept: number } | Failure> {
    const store = await this.store();
    const now = await store.embedding(collection);
    if (now === undefined)
      return failure(
        'rejected.state',
        `${collection} has no vectors: "grid rag sync ${collection} --embed MODEL" begins`,
      );
    if (!isSame(now, embedding)) return otherModel(collection, now, embedding);
    const { dimension } = embedding;
    if (values.byteLength !== passages.length * dimension * valueBytes)
      return failure(
        'rejected.invalid',
        `found ${values.byteLength} bytes for ${passages.length} vectors, expected ${dimension} values of ${valueBytes} bytes for each`,
      );
    const all = floatsOf(values);
    const vectors = passages.map((passage, at) => ({
      passage,
      vector: all.slice(at * dimension, (at + 1) * dimension),
    }));
    return { kept: await store.addVectors(collection, vectors) };
  }

  /** Undefined of a collection without vectors. */
  async of(collection: string): Promise<EmbedResult | undefined> {
    const store = await this.store();
    const embedding = await store.embedding(collection);
    return embedding && { embedding, lacking: await store.countUnembedded(collection) };
  }

  async embedding(collection: string): Promise<Embedding | undefined> {
    return await (await this.store()).embedding(collection);
  }

  /** As many as `maxBytes` of JSON hold; one does. */
  async unembedded(collection: string, after: number, maxBytes: number): Promise<UnembeddedResult> {
    const store = await this.store();
    let left = maxBytes - JSON.stringify({ passages: [] }).length;
    const passages: UnembeddedResult['passages'] = [];
    for (const passage of await store.unembedded(collection, after, mostUnembedded)) {
      left -= Buffer.byteLength(JSON.stringify(passage)) + 1;
      if (left < 0) break;
      passages.push(passage);
    }
    return { passages };
  }

  /** `words`: the ranking by them, as deep as it is asked for. */
  async search(
    within: Within,
    { values }: QueryVector,
    limit: number,
    words: (limit: number) => Promise<readonly Passage[]>,
  ): Promise<readonly Passage[]> {
    const store = await this.store();
    const deep = Math.max(limit, depth);
    const vector = floatsOf(values);
    const [byWords, byMeaning] = await Promise.all([
      words(deep),
      store.nearest({ ...within, vector, limit: deep }),
    ]);
    return fused(byWords, byMeaning).slice(0, limit);
  }

  /** Those of a shard that are among the best of all shards, as they stand among these. `words`: as for `search`. */
  async ranked(
    within: Within,
    { values }: QueryVector,
    { words, meaning }: Ranks,
    search: (limit: number) => Promise<readonly Passage[]>,
  ): Promise<readonly Passage[]> {
    const store = await this.store();
    const [byWords, byMeaning] = await Promise.all([
      search(limits.fusedCandidates),
      store.nearest({ ...within, vector: floatsOf(values), limit: limits.fusedCandidates }),
    ]);
    const [inWords, inMeaning] = [new Map(words), new Map(meaning)];
    const those = (found: readonly Passage[], standing: ReadonlyMap<number, number>) =>
      found.filter((passage) => standing.has(tieOfPassage(passage)));
    return fused(those(byWords, inWords), those(byMeaning, inMeaning), [inWords, inMeaning]);
  }

  async nearest(within: Within, { values }: QueryVector, limit: number): Promise<readonly Passage[]> {
    return await (await this.store()).nearest({ ...within, vector: floatsOf(values), limit });
  }
}

type Ranks = NonNullable<Extract<RetrieveBody, { op: 'query' }>['ranked']>;

export function tieOfPassage({ source, seq }: Passage): number {
  return tieOf(source, seq);
}

/** `standing`: by tie, where passages stand when these are only some of those that were ranked. */
function fused(
  words: readonly Passage[],
  meaning: readonly Passage[],
  standing?: readonly [words: ReadonlyMap<number, number>, meaning: ReadonlyMap<number, number>],
): readonly Passage[] {
  const ranksOf = (found: readonly Passage[], places: ReadonlyMap<number, number> | undefined) =>
    places && { ranks: found.map((passage) => places.get(tieOfPassage(passage)) ?? 0) };
  const passages = new Map([...meaning, ...words].map((passage) => [idOf(passage), passage]));
  const rankings = [
    { name: wordsTerm, weight: firstScore, ids: words.map(idOf), ...ranksOf(words, standing?.[0]) },
    { name: meaningTerm, weight: firstScore, ids: meaning.map(idOf), ...ranksOf(meaning, standing?.[1]) },
  ];
  const ranked = fuse(rankings).map(({ id, score, parts }) => {
    const passage = passages.get(id) as Passage;
    const terms = parts.flatMap(({ ranking, score: part }) =>
      ranking === wordsTerm ? wordTerms(passage, part) : [{ term: ranking, score: part }],
    );
    return { ...passage, score, terms };
  });
  const levels = ['exactly', 'loosely', null] as const;
  return levels.flatMap((level) => ranked.filter(({ named }) => named === level));
}

/** What a word has of the score by words, it has of what the ranking by them is worth. */
function wordTerms({ score, terms }: Passage, part: number): Passage['terms'] {
  if (score <= 0) return [{ term: wordsTerm, score: part }];
  return terms.map((one) => ({ term: one.term, score: (one.score * part) / score }));
}

/** Those of one score are ordered by it: alike in every index. */
function idOf(passage: Passage): string {
  return `${String(tieOfPassage(passage)).padStart(10, '0')} ${passage.source.key}\n${passage.seq}`;
}

function isSame(one: Embedding, other: Embedding): boolean {
  return one.digest === other.digest && one.dimension === other.dimension;
}

function otherModel(collection: string, now: Embedding, found: Embedding): Failure {
  const words =
    now.model === found.model
      ? `${collection} has vectors by an earlier file of the model ${now.model}, or by other prefixes`
      : `${collection} has vectors by the model ${now.model}, not by ${found.model}`;
  return failure(
    'rejected.state',
    `${words}: "grid rag sync ${collection} --embed ${found.model} --again" makes all of them anew`,
  );
}

/** Bytes may begin anywhere in memory; wider values may not. */
function floatsOf(bytes: Uint8Array): Float32Array {
  const whole = bytes.subarray(0, bytes.byteLength - (bytes.byteLength % valueBytes));
  return new Float32Array(new Uint8Array(whole).buffer);
}
