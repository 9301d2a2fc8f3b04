/**
 * Where passages are kept and found. One conformance suite (test/conformance/store-suite.ts) holds every implementation.
 *
 * 1. An apply that resolved is on the disk, and every later search sees it; one that rejected changed nothing.
 * 2. A source has one content at a time, by its key: putting it again replaces it, and what was replaced or removed is never
 *    answered again.
 * 3. What a search answers is as of one moment, and depends on what is in the collections alone, not on how it came there.
 * 4. A search does not wait for an apply.
 */
import type { Chunk } from '../core/chunk/block.ts';
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

export type SourceChange =
  | { readonly kind: 'put'; readonly source: Source; readonly chunks: readonly Chunk[] }
  /** It could not be read: its old content goes, and the cause stays until it can be. */
  | { readonly kind: 'fail'; readonly source: Source; readonly cause: string }
  | { readonly kind: 'remove'; readonly key: string };

/** `cause` is null for what is there. */
export interface SourceState extends Source {
  readonly chunks: number;
  readonly cause: string | null;
}

export interface StoreQuery {
  readonly collections: readonly string[];
  readonly text: string;
  readonly limit: number;
  /** Default: `rankSettings`. */
  readonly settings?: RankSettings;
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

export interface Store {
  /** In one transaction, in order; the collection is made when it is not there. */
  apply(collection: string, changes: readonly SourceChange[]): Promise<void>;
  search(query: StoreQuery): Promise<readonly Passage[]>;
  /** By key. Empty for a collection that is not there. */
  sources(collection: string): Promise<readonly SourceState[]>;
  collections(): Promise<readonly string[]>;
  drop(collection: string): Promise<void>;
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
