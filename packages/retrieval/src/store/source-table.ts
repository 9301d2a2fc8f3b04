/** Sources and their passages as rows. Statements are prepared once: a file has few passages, and each would cost as much. */
import type { DatabaseSyncInstance, StatementSyncInstance } from '@photostructure/sqlite';
import type { Chunk } from '../core/chunk/block.ts';
import { dropFeedback } from './feedback-table.ts';
import { dropPseudonyms, keepPseudonyms, letGoPseudonyms } from './pseudonym-table.ts';
import type { SealedPseudonym, Source } from './store.ts';
import { dropVectors } from './vector-table.ts';

export class SourceTable {
  readonly #db: DatabaseSyncInstance;
  readonly #addCollection: StatementSyncInstance;
  readonly #collection: StatementSyncInstance;
  readonly #source: StatementSyncInstance;
  readonly #chunks: StatementSyncInstance;
  readonly #deleteChunks: StatementSyncInstance;
  readonly #deleteSource: StatementSyncInstance;
  readonly #insertSource: StatementSyncInstance;
  readonly #insertChunk: StatementSyncInstance;

  constructor(db: DatabaseSyncInstance) {
    this.#db = db;
    this.#addCollection = db.prepare('INSERT INTO collection (name) VALUES (?) ON CONFLICT DO NOTHING');
    this.#collection = db.prepare('SELECT id FROM collection WHERE name = ?');
    this.#source = db.prepare('SELECT id FROM source WHERE collection = ? AND key = ?');
    this.#chunks = db.prepare('SELECT id FROM chunk WHERE source = ?');
    this.#deleteChunks = db.prepare('DELETE FROM chunk WHERE source = ?');
    this.#deleteSource = db.prepare('DELETE FROM source WHERE id = ?');
    this.#insertSource = db.prepare(
      'INSERT INTO source (collection, key, path, title, revision, hash, cause) VALUES (?, ?, ?, ?, ?, ?, ?)',
    );
    this.#insertChunk = db.prepare(
      'INSERT INTO chunk (id, source, seq, start_line, end_line, headings, symbols, text, place) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)',
    );
  }

  /** Makes it when it is not there. */
  collectionId(name: string): number {
    this.#addCollection.run(name);
    return (this.#collection.get(name) as { id: number }).id;
  }

  /** Returns the ids of the passages that are gone with it. */
  remove(collection: number, key: string): readonly number[] {
    const source = this.#source.get(collection, key) as { id: number } | undefined;
    if (source === undefined) return [];
    const chunks = (this.#chunks.all(source.id) as { id: number }[]).map(({ id }) => id);
    this.#deleteChunks.run(source.id);
    letGoPseudonyms(this.#db, source.id);
    this.#deleteSource.run(source.id);
    return chunks;
  }

  /** Returns its id. */
  insert(
    collection: number,
    { key, path, title, revision, hash }: Source,
    cause: string | null,
    pseudonyms: readonly SealedPseudonym[] = [],
  ): number {
    const made = this.#insertSource.run(collection, key, path, title, revision, hash, cause);
    const id = Number(made.lastInsertRowid);
    keepPseudonyms(this.#db, collection, id, pseudonyms);
    return id;
  }

  insertChunk(id: number, source: number, seq: number, chunk: Chunk): void {
    const { startLine, endLine, headings, symbols, text, place = null } = chunk;
    const names = [listed(headings), listed(symbols)];
    this.#insertChunk.run(id, source, seq, startLine, endLine, ...names, text, place);
  }

  /** With all its sources and passages. */
  static drop(db: DatabaseSyncInstance, collection: number): void {
    db.prepare('DELETE FROM chunk WHERE source IN (SELECT id FROM source WHERE collection = ?)').run(
      collection,
    );
    db.prepare('DELETE FROM source WHERE collection = ?').run(collection);
    dropPseudonyms(db, collection);
    dropFeedback(db, collection);
    dropVectors(db, collection);
    db.prepare('DELETE FROM collection WHERE id = ?').run(collection);
  }
}

const listed = (names: readonly string[]): string => (names.length === 0 ? '[]' : JSON.stringify(names));
