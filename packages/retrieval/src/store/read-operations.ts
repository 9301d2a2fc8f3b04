/** What the reading thread does. Each question is answered as of one moment, while the other thread writes. */
import type { ChosenFiles, Statistics } from '@gryphgen/protocol';
import type { DatabaseSyncInstance, StatementSyncInstance } from '@photostructure/sqlite';
import { tieOf } from '../core/index/index-fields.ts';
import { queryTerms } from '../core/score/query-terms.ts';
import { type IndexPart, type Ranked, rank, rankSettings, statisticsOf } from '../core/score/rank.ts';
import { unit } from '../core/vectors/vector-code.ts';
import { checkStore } from './check-store.ts';
import { ChosenPassages } from './chosen-passages.ts';
import { type ChunkRow, chunkColumns, chunkOf } from './chunk-row.ts';
import { readCopied } from './copied-sources.ts';
import { openForReading, readState, snapshot } from './database.ts';
import { copiedLearning, readFeedback, readVersions } from './feedback-table.ts';
import { type NeighboursArgs, readNeighbours } from './neighbours.ts';
import { readPseudonyms } from './pseudonym-table.ts';
import { readSegments, type StoredSegment } from './segment-table.ts';
import {
  type CopiedLearning,
  type CopiedSource,
  type Embedding,
  type FailedSources,
  type KeptFeedback,
  type LearnedVersion,
  type NearestQuery,
  type Passage,
  type PlacedChunk,
  type SealedPseudonym,
  type SourceState,
  StoreError,
  type StoreQuery,
  type UnembeddedPassage,
} from './store.ts';
import { VectorCache } from './vector-cache.ts';
import { countUnembedded, readEmbedding, readUnembedded } from './vector-table.ts';
import type { OpenArgs } from './write-operations.ts';

/** More than anyone reads; a list of candidates for another ranking fits. */
const MAX_LIMIT = 10_000;

export interface OpenReadArgs extends OpenArgs {
  readonly vectorBytes: number;
}

export interface UnembeddedArgs {
  readonly collection: string;
  readonly after: number;
  readonly limit: number;
}

export interface FailedArgs {
  readonly collection: string;
  readonly skip: number;
  readonly limit: number;
}

export interface CopiedArgs {
  readonly collection: string;
  readonly keys: readonly string[];
}

interface PassageRow extends ChunkRow {
  readonly name: string;
  readonly key: string;
  readonly path: string;
  readonly title: string | null;
  readonly revision: string | null;
  readonly hash: string;
}

const PASSAGE = `SELECT name, key, path, title, revision, hash, ${chunkColumns}
  FROM chunk JOIN source ON source.id = chunk.source JOIN collection ON collection.id = source.collection
  WHERE chunk.id = ?`;

export class ReadOperations {
  #db: DatabaseSyncInstance | undefined;
  #remembered: { readonly generation: number; readonly segments: readonly StoredSegment[] } | undefined;
  #posting: StatementSyncInstance | undefined;
  #passage: StatementSyncInstance | undefined;
  #vectors: VectorCache | undefined;
  #chosen: ChosenPassages | undefined;

  open({ path, cacheBytes, vectorBytes }: OpenReadArgs): void {
    this.#db = openForReading(path, cacheBytes);
    this.#posting = this.#db.prepare('SELECT list FROM posting WHERE segment = ? AND term = ?');
    this.#passage = this.#db.prepare(PASSAGE);
    this.#vectors = new VectorCache(this.#db, vectorBytes);
    this.#chosen = new ChosenPassages(this.#db);
  }

  search(query: StoreQuery): readonly Passage[] {
    const { collections, text, limit, settings = rankSettings, statistics, files } = query;
    return this.#read((db) => {
      const parts = this.#partsOf(db, collections, files);
      const wanted = Math.max(0, Math.min(Math.floor(limit), MAX_LIMIT));
      if (parts.length === 0 || wanted === 0) return [];
      const found = rank(parts, queryTerms(text), wanted, settings, statistics);
      return found.flatMap((ranked) => this.#shown(ranked));
    });
  }

  statistics({ collection, text }: { readonly collection: string; readonly text: string }): Statistics {
    return this.#read((db) => statisticsOf(this.#partsOf(db, [collection]), queryTerms(text)));
  }

  neighbours(args: NeighboursArgs): readonly (readonly PlacedChunk[])[] {
    return this.#read((db) => readNeighbours(db, args));
  }

  nearest({ collection, vector, limit, files }: NearestQuery): readonly Passage[] {
    return this.#read((db) => {
      const embedding = readEmbedding(db, collection);
      const query = unit(vector);
      const wanted = Math.max(0, Math.min(Math.floor(limit), MAX_LIMIT));
      if (embedding === undefined || query === undefined || query.length !== embedding.dimension) return [];
      const { generation } = readState(db);
      const chosen = files && this.#chosen?.of(collection, files, generation);
      const near = this.#vectors?.nearest(embedding, generation, query, wanted, chosen) ?? [];
      return near
        .flatMap((one) => this.#shown({ ...one, named: null, terms: [] }))
        .sort((a, b) => b.score - a.score || tieOf(a.source, a.seq) - tieOf(b.source, b.seq))
        .slice(0, wanted);
    });
  }

  embedding(collection: string): Embedding | undefined {
    return this.#read((db) => {
      const found = readEmbedding(db, collection);
      return found && { model: found.model, digest: found.digest, dimension: found.dimension };
    });
  }

  unembedded({ collection, after, limit }: UnembeddedArgs): readonly UnembeddedPassage[] {
    return this.#read((db) => readUnembedded(db, collection, after, limit));
  }

  countUnembedded(collection: string): number {
    return this.#read((db) => countUnembedded(db, collection));
  }

  sources(collection: string): readonly SourceState[] {
    const sql = `SELECT key, path, title, revision, hash, cause, count(chunk.id) AS chunks
      FROM source LEFT JOIN chunk ON chunk.source = source.id
      WHERE collection = (SELECT id FROM collection WHERE name = ?) GROUP BY source.id ORDER BY key`;
    return this.#read((db) => db.prepare(sql).all(collection) as SourceState[]);
  }

  failed({ collection, skip, limit }: FailedArgs): FailedSources {
    const those =
      'FROM source WHERE cause IS NOT NULL AND collection = (SELECT id FROM collection WHERE name = ?)';
    return this.#read((db) => {
      const { total } = db.prepare(`SELECT count(*) AS total ${those}`).get(collection) as { total: number };
      const some = db.prepare(`SELECT key, cause ${those} ORDER BY key LIMIT ? OFFSET ?`);
      return { failed: some.all(collection, limit, skip) as unknown as FailedSources['failed'], total };
    });
  }

  collections(): readonly string[] {
    return this.#read((db) => {
      const rows = db.prepare('SELECT name FROM collection ORDER BY name').all() as { name: string }[];
      return rows.map(({ name }) => name);
    });
  }

  copied({ collection, keys }: CopiedArgs): readonly CopiedSource[] {
    return this.#read((db) => readCopied(db, collection, keys));
  }

  copiedLearning(collection: string): CopiedLearning {
    return this.#read((db) => copiedLearning(db, collection));
  }

  feedback(collection: string): readonly KeptFeedback[] {
    return this.#read((db) => readFeedback(db, collection));
  }

  versions(collection: string): readonly LearnedVersion[] {
    return this.#read((db) => readVersions(db, collection));
  }

  pseudonyms(collection: string, names: readonly string[]): readonly SealedPseudonym[] {
    return this.#read((db) => readPseudonyms(db, collection, names));
  }

  check(): readonly string[] {
    return this.#read((db) => checkStore(db));
  }

  close(): void {
    this.#db?.close();
    this.#db = undefined;
  }

  #read<Result>(work: (db: DatabaseSyncInstance) => Result): Result {
    const db = this.#db;
    if (db === undefined) throw new StoreError('closed', 'The store is closed.');
    return snapshot(db, () => work(db));
  }

  #segments(db: DatabaseSyncInstance): readonly StoredSegment[] {
    const { generation } = readState(db);
    if (this.#remembered?.generation !== generation)
      this.#remembered = { generation, segments: readSegments(db) };
    return this.#remembered.segments;
  }

  #partsOf(db: DatabaseSyncInstance, names: readonly string[], files?: ChosenFiles): readonly IndexPart[] {
    const named = db.prepare('SELECT id FROM collection WHERE name = ?');
    const { generation } = readState(db);
    const chosen = new Map<number, ReadonlySet<number> | undefined>();
    for (const name of names) {
      const { id } = (named.get(name) as { id: number } | undefined) ?? {};
      if (id !== undefined) chosen.set(id, files && this.#chosen?.of(name, files, generation));
    }
    return this.#segments(db)
      .filter(({ collection }) => chosen.has(collection))
      .map((segment) => ({ ...this.#part(segment), chosen: chosen.get(segment.collection) }));
  }

  #part({ id, segment, totals }: StoredSegment): IndexPart {
    const postings = (term: string) =>
      (this.#posting?.get(id, term) as { list: Uint8Array } | undefined)?.list;
    return { segment, totals, postings };
  }

  /** Nothing of one that is not there any more. */
  #shown({ chunk, score, named, terms }: Ranked): readonly Passage[] {
    const row = this.#passage?.get(chunk) as PassageRow | undefined;
    if (row === undefined) return [];
    const { name, key, path, title, revision, hash } = row;
    const passage: Passage = {
      collection: name,
      source: { key, path, title, revision, hash },
      ...chunkOf(row),
      score,
      named,
      terms,
    };
    return [passage];
  }
}
