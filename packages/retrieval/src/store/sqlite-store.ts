/** The embedded store: one SQLite file, one thread that writes to it and one that reads, so that neither waits for the other. */

import type { Statistics } from '@gryphgen/protocol';
import { ThreadCalls } from '@gryphgen/runtime/thread-calls';
import type { ReadThread } from './read-thread.ts';
import type {
  CopiedLearning,
  CopiedSource,
  Embedding,
  FailedSources,
  FeedbackEntry,
  Forgotten,
  KeptFeedback,
  LearnedVersion,
  NearestQuery,
  Passage,
  PassagePlace,
  PassageVector,
  PlacedChunk,
  SealedPseudonym,
  SourceChange,
  SourceState,
  Store,
  StoreQuery,
  UnembeddedPassage,
} from './store.ts';
import { StoreError } from './store.ts';
import type { WriteThread } from './write-thread.ts';

export interface SqliteStoreOptions {
  /** Of the file; its folder is there. */
  readonly path: string;
  /** In all, of which the next two have a third and the rest where they are not given. */
  readonly memoryBytes?: number | undefined;
  /** For both threads' pages of the database, in bytes. Beside it: 16 bytes a passage, and the passages of one apply. */
  readonly cacheBytes?: number;
  /** Of vectors in memory; of a collection with more, as much as finds the best (vector-index.ts). */
  readonly vectorBytes?: number;
}

/** The vectors' part holds 300,000 of 384 values. */
const MEMORY_BYTES = 384 * 1024 ** 2;
const CACHE_PART = 1 / 3;

/** Rejects with StoreError: io, busy, newer. */
export async function openSqliteStore({
  path,
  memoryBytes = MEMORY_BYTES,
  cacheBytes = Math.floor(memoryBytes * CACHE_PART),
  vectorBytes = memoryBytes - cacheBytes,
}: SqliteStoreOptions): Promise<Store> {
  const writer = new ThreadCalls<WriteThread>(
    new URL('./write-thread.js', import.meta.url),
    'store writing',
    StoreError,
  );
  const reader = new ThreadCalls<ReadThread>(
    new URL('./read-thread.js', import.meta.url),
    'store reading',
    StoreError,
  );
  try {
    await writer.call('open', { path, cacheBytes: cacheBytes / 2 });
    await reader.call('open', { path, cacheBytes: cacheBytes / 2, vectorBytes });
  } catch (error) {
    await Promise.all([writer.end(), reader.end()]);
    throw error;
  }
  return new SqliteStore(writer, reader);
}

class SqliteStore implements Store {
  readonly #writer: ThreadCalls<WriteThread>;
  readonly #reader: ThreadCalls<ReadThread>;
  #closing: Promise<void> | undefined;

  constructor(writer: ThreadCalls<WriteThread>, reader: ThreadCalls<ReadThread>) {
    this.#writer = writer;
    this.#reader = reader;
  }

  apply(collection: string, changes: readonly SourceChange[]): Promise<void> {
    return this.#writer.call('apply', { collection, changes });
  }

  search(query: StoreQuery): Promise<readonly Passage[]> {
    return this.#reader.call('search', query);
  }

  statistics(collection: string, text: string): Promise<Statistics> {
    return this.#reader.call('statistics', { collection, text });
  }

  neighbours(
    collection: string,
    places: readonly PassagePlace[],
    distance: number,
  ): Promise<readonly (readonly PlacedChunk[])[]> {
    return this.#reader.call('neighbours', { collection, places, distance });
  }

  nearest(query: NearestQuery): Promise<readonly Passage[]> {
    return this.#reader.call('nearest', query);
  }

  embedBy(collection: string, embedding: Embedding, again = false): Promise<void> {
    return this.#writer.call('embedBy', { collection, embedding, again });
  }

  embedding(collection: string): Promise<Embedding | undefined> {
    return this.#reader.call('embedding', collection);
  }

  unembedded(collection: string, after: number, limit: number): Promise<readonly UnembeddedPassage[]> {
    return this.#reader.call('unembedded', { collection, after, limit });
  }

  countUnembedded(collection: string): Promise<number> {
    return this.#reader.call('countUnembedded', collection);
  }

  addVectors(collection: string, vectors: readonly PassageVector[]): Promise<number> {
    return this.#writer.call('addVectors', { collection, vectors });
  }

  copied(collection: string, keys: readonly string[]): Promise<readonly CopiedSource[]> {
    return this.#reader.call('copied', { collection, keys });
  }

  copiedLearning(collection: string): Promise<CopiedLearning> {
    return this.#reader.call('copiedLearning', collection);
  }

  learnAs(collection: string, learning: CopiedLearning): Promise<void> {
    return this.#writer.call('learnAs', { collection, learning });
  }

  sources(collection: string): Promise<readonly SourceState[]> {
    return this.#reader.call('sources', collection);
  }

  failed(collection: string, skip: number, limit: number): Promise<FailedSources> {
    return this.#reader.call('failed', { collection, skip, limit });
  }

  collections(): Promise<readonly string[]> {
    return this.#reader.call('collections', null);
  }

  drop(collection: string): Promise<void> {
    return this.#writer.call('drop', collection);
  }

  addFeedback(collection: string, entry: FeedbackEntry): Promise<void> {
    return this.#writer.call('addFeedback', { collection, entry });
  }

  feedback(collection: string): Promise<readonly KeptFeedback[]> {
    return this.#reader.call('feedback', collection);
  }

  addVersion(collection: string, version: Omit<LearnedVersion, 'version'>): Promise<void> {
    return this.#writer.call('addVersion', { collection, version });
  }

  versions(collection: string): Promise<readonly LearnedVersion[]> {
    return this.#reader.call('versions', collection);
  }

  forget(collection: string, subject: string, pseudonyms: readonly string[] = []): Promise<Forgotten> {
    return this.#writer.call('forget', { collection, subject, pseudonyms });
  }

  pseudonyms(collection: string, names: readonly string[]): Promise<readonly SealedPseudonym[]> {
    return this.#reader.call('pseudonyms', { collection, names });
  }

  purge(): Promise<void> {
    return this.#writer.call('purge', null);
  }

  check(): Promise<readonly string[]> {
    return this.#reader.call('check', null);
  }

  close(): Promise<void> {
    this.#closing ??= this.#end();
    return this.#closing;
  }

  async #end(): Promise<void> {
    await this.#reader.call('close', null).catch(() => undefined);
    await this.#writer.call('close', null).catch(() => undefined);
    await Promise.all([this.#reader.end(), this.#writer.end()]);
  }
}
