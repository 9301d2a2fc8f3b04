/**
 * What the writing thread does. Each operation is one transaction; when it fails, what is remembered is forgotten too.
 */
import type { DatabaseSyncInstance } from '@photostructure/sqlite';
import { indexFields, tieOf } from '../core/index/index-fields.ts';
import { mergePlan } from '../core/index/merge-plan.ts';
import { kill, ordinalOf } from '../core/index/segment.ts';
import { SegmentBuilder } from '../core/index/segment-builder.ts';
import { attempt, openForWriting, readState, type State, transaction, writeState } from './database.ts';
import { addFeedback, forgetFeedback, insertVersion, replaceLearning } from './feedback-table.ts';
import { forgetRows, subjectChunks } from './forget-subject.ts';
import { mergeSegments } from './merge.ts';
import { forgetPseudonyms } from './pseudonym-table.ts';
import {
  deleteSegment,
  insertSegment,
  readSegments,
  type StoredSegment,
  updateDead,
} from './segment-table.ts';
import { SourceTable } from './source-table.ts';
import {
  type CopiedLearning,
  type Embedding,
  type FeedbackEntry,
  type Forgotten,
  type LearnedVersion,
  type PassageVector,
  type SourceChange,
  StoreError,
} from './store.ts';
import {
  insertVectors,
  KeptVectors,
  readEmbedding,
  removeVectors,
  renameModel,
  writeEmbedding,
} from './vector-table.ts';

export interface OpenArgs {
  readonly path: string;
  readonly cacheBytes: number;
}

export interface ApplyArgs {
  readonly collection: string;
  readonly changes: readonly SourceChange[];
}

export interface ForgetArgs {
  readonly collection: string;
  readonly subject: string;
  readonly pseudonyms: readonly string[];
}

/** What one transaction has yet to write. */
interface Work {
  readonly collection: number;
  readonly builder: SegmentBuilder;
  readonly touched: Set<StoredSegment>;
  /** Of a collection that has them. */
  readonly vectors: KeptVectors | undefined;
  nextChunk: number;
}

export class WriteOperations {
  #db: DatabaseSyncInstance | undefined;
  #sources: SourceTable | undefined;
  #remembered: { readonly generation: number; readonly segments: readonly StoredSegment[] } | undefined;

  open({ path, cacheBytes }: OpenArgs): void {
    this.#db = openForWriting(path, cacheBytes);
  }

  apply({ collection, changes }: ApplyArgs): void {
    this.#transact((db, state, segments) => {
      const table = this.#table(db);
      const work: Work = {
        collection: table.collectionId(collection),
        builder: new SegmentBuilder(),
        touched: new Set(),
        vectors: this.#keptVectors(db, collection, state),
        nextChunk: state.nextChunk,
      };
      const own = segments.filter((segment) => segment.collection === work.collection);
      const comesAgain = changes.some(({ kind }) => kind === 'put');
      for (const change of changes) {
        const key = change.kind === 'remove' ? change.key : change.source.key;
        removeSource(table, own, work, key, comesAgain);
        if (change.kind !== 'remove') addSource(table, work, change);
      }
      for (const segment of work.touched) updateDead(db, segment);
      const isNew = work.builder.count > 0;
      if (isNew) {
        insertSegment(db, state.nextSegment, work.collection, work.builder.segment());
        const insert = db.prepare('INSERT INTO posting (segment, term, list) VALUES (?, ?, ?)');
        for (const [term, list] of work.builder.postings()) insert.run(state.nextSegment, term, list);
      }
      return { ...state, nextChunk: work.nextChunk, nextSegment: state.nextSegment + (isNew ? 1 : 0) };
    });
  }

  drop(collection: string): void {
    this.#transact((db, state, segments) => {
      const id = this.#table(db).collectionId(collection);
      for (const segment of segments) if (segment.collection === id) deleteSegment(db, segment.id);
      SourceTable.drop(db, id);
      return state;
    });
  }

  addFeedback(collection: string, entry: FeedbackEntry): void {
    const db = this.#opened();
    transaction(db, () => addFeedback(db, this.#table(db).collectionId(collection), entry));
  }

  addVersion(collection: string, version: Omit<LearnedVersion, 'version'>): void {
    const db = this.#opened();
    transaction(db, () => insertVersion(db, this.#table(db).collectionId(collection), version));
  }

  learnAs(collection: string, learning: CopiedLearning): void {
    const db = this.#opened();
    transaction(db, () => replaceLearning(db, this.#table(db).collectionId(collection), learning));
  }

  embedBy(collection: string, embedding: Embedding, again: boolean): void {
    this.#transact((db, state) => {
      const id = this.#table(db).collectionId(collection);
      const before = again ? undefined : readEmbedding(db, collection);
      if (before?.digest === embedding.digest && before.dimension === embedding.dimension)
        renameModel(db, id, embedding.model);
      else writeEmbedding(db, { ...embedding, collection: id, epoch: state.generation + 1 });
      return state;
    });
  }

  addVectors(collection: string, vectors: readonly PassageVector[]): number {
    let kept = 0;
    this.#transact((db, state) => {
      const embedding = readEmbedding(db, collection);
      const fit = vectors.filter(({ vector }) => vector.length === embedding?.dimension);
      if (embedding !== undefined) kept = insertVectors(db, embedding.collection, state.generation + 1, fit);
      return state;
    });
    return kept;
  }

  forget({ collection, subject, pseudonyms }: ForgetArgs): Forgotten {
    let forgotten = { passages: 0, files: 0, feedback: 0 };
    this.#transact((db, state, segments) => {
      const id = this.#table(db).collectionId(collection);
      const { chunks, files } = forgetRows(db, id, subject);
      const own = segments.filter((segment) => segment.collection === id);
      const touched = new Set(chunks.flatMap((chunk) => killed(own, chunk) ?? []));
      for (const segment of touched) updateDead(db, segment);
      removeVectors(db, chunks);
      forgetPseudonyms(db, id, pseudonyms);
      forgotten = { passages: chunks.length, files, feedback: forgetFeedback(db, id, subject) };
      return state;
    });
    this.purge();
    const db = this.#opened();
    const others = db.prepare('SELECT id, name FROM collection WHERE name <> ?').all(collection) as {
      id: number;
      name: string;
    }[];
    const elsewhere = others
      .map(({ id, name }) => ({ collection: name, passages: subjectChunks(db, id, subject).size }))
      .filter(({ passages }) => passages > 0);
    return { ...forgotten, elsewhere };
  }

  /** One merge, if one is due. Returns whether there may be another. */
  merge(): boolean {
    const all = this.#segments();
    for (const collection of new Set(all.map((segment) => segment.collection))) {
      const own = all.filter((segment) => segment.collection === collection);
      const plan = mergePlan(own.map(({ segment, totals }) => ({ count: segment.count, live: totals.live })));
      if (plan === undefined) continue;
      const ids = new Set(own.slice(...plan).map(({ id }) => id));
      this.#merge(({ id }) => ids.has(id));
      return true;
    }
    return false;
  }

  purge(): void {
    const worn = this.#segments().filter(({ segment, totals }) => totals.live < segment.count);
    for (const { id } of worn) this.#merge((segment) => segment.id === id);
    attempt(() => {
      this.#opened().exec('VACUUM');
      this.#opened().exec('PRAGMA wal_checkpoint(TRUNCATE)');
    });
  }

  close(): void {
    this.#db?.close();
    this.#db = undefined;
  }

  #merge(chosen: (segment: StoredSegment) => boolean): void {
    this.#transact((db, state, segments) => {
      const old = segments.filter(chosen);
      if (old.length === 0) return state;
      mergeSegments(db, old, state.nextSegment);
      return { ...state, nextSegment: state.nextSegment + 1 };
    });
  }

  #segments(): readonly StoredSegment[] {
    const db = this.#opened();
    return attempt(() => this.#current(db, readState(db)));
  }

  /** `work` returns the state that it leaves, but for the generation. */
  #transact(
    work: (db: DatabaseSyncInstance, state: State, segments: readonly StoredSegment[]) => State,
  ): void {
    const db = this.#opened();
    try {
      transaction(db, () => {
        const state = readState(db);
        const segments = this.#current(db, state);
        const left = work(db, state, segments);
        writeState(db, { ...left, generation: state.generation + 1 });
      });
    } finally {
      // Segments were marked in memory before the commit: what failed must not be remembered, and what is new is read anew.
      this.#remembered = undefined;
    }
  }

  #current(db: DatabaseSyncInstance, { generation }: State): readonly StoredSegment[] {
    if (this.#remembered?.generation !== generation)
      this.#remembered = { generation, segments: readSegments(db) };
    return this.#remembered.segments;
  }

  #keptVectors(db: DatabaseSyncInstance, collection: string, state: State): KeptVectors | undefined {
    const embedding = readEmbedding(db, collection);
    return embedding && new KeptVectors(db, embedding.collection, state.generation + 1);
  }

  #table(db: DatabaseSyncInstance): SourceTable {
    this.#sources ??= new SourceTable(db);
    return this.#sources;
  }

  #opened(): DatabaseSyncInstance {
    if (this.#db === undefined) throw new StoreError('closed', 'The store is closed.');
    return this.#db;
  }
}

function removeSource(
  table: SourceTable,
  segments: readonly StoredSegment[],
  { collection, touched, builder, vectors }: Work,
  key: string,
  comesAgain: boolean,
): void {
  const gone = table.remove(collection, key);
  vectors?.remove(gone, comesAgain);
  for (const id of gone) {
    const segment = killed(segments, id);
    if (segment === undefined) builder.remove(id);
    else touched.add(segment);
  }
}

/** The segment that has the passage, which is dead in it now; undefined when none has it. */
function killed(segments: readonly StoredSegment[], chunk: number): StoredSegment | undefined {
  const segment = segments.find(({ segment }) => (segment.chunks.at(-1) as number) >= chunk);
  const ordinal = segment === undefined ? -1 : ordinalOf(segment.segment, chunk);
  if (segment === undefined || ordinal === -1) return undefined;
  kill(segment.segment.dead, ordinal);
  return segment;
}

function addSource(
  table: SourceTable,
  work: Work,
  change: Exclude<SourceChange, { readonly kind: 'remove' }>,
): void {
  const { source } = change;
  const cause = change.kind === 'fail' ? change.cause : null;
  const id = table.insert(work.collection, source, cause, change.pseudonyms);
  if (change.kind === 'fail') return;
  for (const [at, chunk] of change.chunks.entries()) {
    const { seq = at, vector } = chunk;
    table.insertChunk(work.nextChunk, id, seq, chunk);
    work.vectors?.add(work.nextChunk, source.title, chunk, vector);
    work.builder.add(work.nextChunk, tieOf(source, seq), indexFields(source, chunk, seq));
    work.nextChunk += 1;
  }
}
