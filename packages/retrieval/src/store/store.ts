/**
 * Where passages are kept and found. One conformance suite (test/conformance/store-suite.ts) holds every implementation.
 *
 * 1. An apply that resolved is on the disk, and every later search sees it; one that rejected changed nothing.
 * 2. A source has one content at a time, by its key: putting it again replaces it, and what was replaced or removed is never
 *    answered again.
 * 3. What a search answers is as of one moment, and depends on what is in the collections alone, not on how it came there.
 * 4. A search does not wait for an apply.
 * 5. A passage that an apply replaces by one of the same text keeps its vector; else vectors go with their passages.
 */
import type { ChosenFiles, Statistics } from '@gryphgen/protocol';
import type { Chunk } from '../core/chunk/block.ts';
import type { Feedback } from '../core/learn/learned.ts';
import type { RankSettings, TermScore } from '../core/score/rank.ts';

/** `key` says which source it is, such as a path in a folder; `hash` is of its content. */
export interface Source {
  readonly key: string;
  readonly path: string;
  readonly title: string | null;
  /** Of the repository it is from. */
  readonly revision: string | null;
  readonly hash: string;
}

/** What a pseudonym in a collection's texts stands for, as nobody can read it who has not the collection's key. */
export interface SealedPseudonym {
  readonly name: string;
  readonly sealed: Uint8Array;
}

/** A passage's vector as it is kept: the values' scale, and 16 bits of each. */
export interface KeptVector {
  readonly scale: number;
  readonly code: Uint8Array;
}

/** Of a passage that comes from another store: where it stood among its source's there, and the vector it had. */
export interface KeptPlace {
  readonly seq: number;
  readonly vector: KeptVector;
}

/** `pseudonyms`: those in the file and in its name; they go with the last file that has them. */
export type SourceChange =
  | {
      readonly kind: 'put';
      readonly source: Source;
      readonly chunks: readonly (Chunk & Partial<KeptPlace>)[];
      readonly pseudonyms?: readonly SealedPseudonym[];
    }
  /** It could not be read: its old content goes, and the cause stays until it can be. */
  | {
      readonly kind: 'fail';
      readonly source: Source;
      readonly cause: string;
      readonly pseudonyms?: readonly SealedPseudonym[];
    }
  | { readonly kind: 'remove'; readonly key: string };

/** What makes a source, in a store that has the same embedding, what it is in this one. */
export type CopiedSource = Exclude<SourceChange, { readonly kind: 'remove' }>;

/** What was said of answers, oldest first, and what was learned: `upTo` is how many of the words it is learned from. */
export interface CopiedLearning {
  readonly feedback: readonly FeedbackEntry[];
  readonly versions: readonly LearnedVersion[];
}

/** `cause` is null for what is there. */
export interface SourceState extends Source {
  readonly chunks: number;
  readonly cause: string | null;
}

/** Some of those that could not be read, and how many there are. */
export interface FailedSources {
  readonly failed: readonly { readonly key: string; readonly cause: string }[];
  readonly total: number;
}

export interface StoreQuery {
  readonly collections: readonly string[];
  readonly text: string;
  readonly limit: number;
  /** Default: `rankSettings`. */
  readonly settings?: RankSettings;
  /** Of the collection of which this is a shard: passages are scored as there. */
  readonly statistics?: Statistics | undefined;
  /** The best of these, scored as among all; by their keys. */
  readonly files?: ChosenFiles | undefined;
}

export interface Passage extends Chunk {
  readonly collection: string;
  readonly source: Source;
  /** Its place among its source's passages, from 0. */
  readonly seq: number;
  readonly score: number;
  readonly named: 'exactly' | 'loosely' | null;
  readonly terms: readonly TermScore[];
}

export interface PlacedChunk extends Chunk {
  readonly seq: number;
}

/** What makes a collection's vectors: another file under a model's name makes others. */
export interface Embedding {
  readonly model: string;
  readonly digest: string;
  /** Values of each. */
  readonly dimension: number;
}

export interface UnembeddedPassage {
  readonly id: number;
  /** What a model is to be shown of it. */
  readonly text: string;
}

/** A passage, by its source's key and its place there. */
export interface PassagePlace {
  readonly key: string;
  readonly seq: number;
}

export interface PassageVector {
  readonly passage: number;
  /** Of the collection's dimension, and any length. */
  readonly vector: Float32Array;
}

export interface NearestQuery {
  readonly collection: string;
  readonly vector: Float32Array;
  readonly limit: number;
  /** The nearest of these. */
  readonly files?: ChosenFiles | undefined;
}

/** On a source that was answered to a query. `lines`: of the passage that was meant. */
export interface FeedbackEntry {
  readonly key: string;
  readonly query: string;
  readonly lines: readonly [first: number, last: number] | null;
  readonly verdict: Feedback['verdict'];
}

export interface KeptFeedback extends FeedbackEntry {
  /** Later ones are higher. */
  readonly id: number;
}

/** What is learned is what the feedback up to one entry teaches, believed by `strength`: it is not kept beside that. */
export interface LearnedVersion {
  readonly version: number;
  readonly upTo: number;
  readonly strength: number;
  /** Of the replay that it was promoted by. */
  readonly queries: number;
  readonly before: number;
  readonly after: number;
  /** Wall ms. */
  readonly at: number;
  /** The version that it brought back. */
  readonly like: number | null;
}

export interface Forgotten {
  readonly passages: number;
  readonly files: number;
  readonly feedback: number;
  /** In other collections of the store it was left alone. */
  readonly elsewhere: readonly { readonly collection: string; readonly passages: number }[];
}

export interface Store {
  /** In one transaction, in order; the collection is made when it is not there. */
  apply(collection: string, changes: readonly SourceChange[]): Promise<void>;
  search(query: StoreQuery): Promise<readonly Passage[]>;
  /** For each place the passages at most `distance` before or behind it in its source, in order, without itself. */
  neighbours(
    collection: string,
    places: readonly PassagePlace[],
    distance: number,
  ): Promise<readonly (readonly PlacedChunk[])[]>;
  /** What other shards need to score alike. */
  statistics(collection: string, text: string): Promise<Statistics>;
  /** Those with vectors, by the cosine, which is their score; none without a model or for a vector of another dimension. */
  nearest(query: NearestQuery): Promise<readonly Passage[]>;
  /** From now on its vectors are by this one; those by another file are gone, and with `again` all. The collection is made when it is not there. */
  embedBy(collection: string, embedding: Embedding, again?: boolean): Promise<void>;
  embedding(collection: string): Promise<Embedding | undefined>;
  /** Passages without a vector, in an order that they keep, behind the one of which the id is `after`. */
  unembedded(collection: string, after: number, limit: number): Promise<readonly UnembeddedPassage[]>;
  countUnembedded(collection: string): Promise<number>;
  /** In one transaction. Those of passages that are gone, or have one, are passed over; returns how many are kept. */
  addVectors(collection: string, vectors: readonly PassageVector[]): Promise<number>;
  /** Those of the keys that are there, in their order; the same content is told by the same values. */
  copied(collection: string, keys: readonly string[]): Promise<readonly CopiedSource[]>;
  copiedLearning(collection: string): Promise<CopiedLearning>;
  /** In place of all that was said and learned. The collection is made when it is not there. */
  learnAs(collection: string, learning: CopiedLearning): Promise<void>;
  /** By key. Empty for a collection that is not there. */
  sources(collection: string): Promise<readonly SourceState[]>;
  /** By key, behind the first `skip` of them. */
  failed(collection: string, skip: number, limit: number): Promise<FailedSources>;
  collections(): Promise<readonly string[]>;
  drop(collection: string): Promise<void>;
  /** The oldest goes when there is too much. The collection is there. */
  addFeedback(collection: string, entry: FeedbackEntry): Promise<void>;
  /** Oldest first. */
  feedback(collection: string): Promise<readonly KeptFeedback[]>;
  /** The newest is in force. */
  addVersion(collection: string, version: Omit<LearnedVersion, 'version'>): Promise<void>;
  /** Newest first. */
  versions(collection: string): Promise<readonly LearnedVersion[]>;
  /**
   * Takes out every passage, file and word of feedback that has the subject (folded, core/forget) in it, and what these pseudonyms
   * stand for; then purges.
   */
  forget(collection: string, subject: string, pseudonyms?: readonly string[]): Promise<Forgotten>;
  /** Those of the names that stand for something. */
  pseudonyms(collection: string, names: readonly string[]): Promise<readonly SealedPseudonym[]>;
  /** Rewrites what is stored, so that nothing of what was removed is left in its files. */
  purge(): Promise<void>;
  /** What is wrong with it, in sentences: empty when all is well. */
  check(): Promise<readonly string[]>;
  /** Idempotent; what is in flight ends first. */
  close(): Promise<void>;
}

export type StoreErrorCode =
  /** The disk or the database failed, or is full; what was asked has not been done. */
  | 'io'
  /** Another process writes for too long. */
  | 'busy'
  /** Written by a newer program. */
  | 'newer'
  | 'closed';

export class StoreError extends Error {
  readonly code: StoreErrorCode;

  constructor(code: StoreErrorCode, message: string) {
    super(message);
    this.name = 'StoreError';
    this.code = code;
  }
}
