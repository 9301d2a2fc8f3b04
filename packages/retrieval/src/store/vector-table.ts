/**
 * Vectors of passages as rows.
 *
 * 1. All of a collection are by one model, and there is no row without its passage.
 * 2. A row is marked with the generation it came with (`stamp`): a reader that has what was before reads what is new alone.
 */
import { createHash } from 'node:crypto';
import type { DatabaseSyncInstance } from '@photostructure/sqlite';
import type { Chunk } from '../core/chunk/block.ts';
import { embeddedText } from '../core/vectors/embedded-text.ts';
import { encodedVector, unit, type VectorCode } from '../core/vectors/vector-code.ts';
import type { Embedding, KeptVector, PassageVector, UnembeddedPassage } from './store.ts';

export const VECTOR_SCHEMA = `
  CREATE TABLE embedding (collection INTEGER PRIMARY KEY, epoch INTEGER NOT NULL, model TEXT NOT NULL,
    digest TEXT NOT NULL, dimension INTEGER NOT NULL);
  CREATE TABLE vector (chunk INTEGER PRIMARY KEY, collection INTEGER NOT NULL, stamp INTEGER NOT NULL,
    content BLOB NOT NULL, scale REAL NOT NULL, code BLOB NOT NULL);
  CREATE INDEX vector_collection ON vector (collection, stamp);
`;

/** Of a passage's text, by which it is known again when its file has changed around it. */
const contentBytes = 16;

export interface StoredEmbedding extends Embedding {
  readonly collection: number;
  /** Of which generation it is: what had vectors before has none of these. */
  readonly epoch: number;
}

export interface VectorRow {
  readonly chunk: number;
  readonly scale: number;
  readonly code: Uint8Array;
}

export function readEmbedding(db: DatabaseSyncInstance, collection: string): StoredEmbedding | undefined {
  const sql = `SELECT collection, epoch, model, digest, dimension FROM embedding
    WHERE collection = (SELECT id FROM collection WHERE name = ?)`;
  return db.prepare(sql).get(collection) as StoredEmbedding | undefined;
}

/** The same file under another name. */
export function renameModel(db: DatabaseSyncInstance, collection: number, model: string): void {
  db.prepare('UPDATE embedding SET model = ? WHERE collection = ?').run(model, collection);
}

/** All that was there is gone. */
export function writeEmbedding(
  db: DatabaseSyncInstance,
  { collection, epoch, model, digest, dimension }: StoredEmbedding,
): void {
  dropVectors(db, collection);
  db.prepare('INSERT INTO embedding VALUES (?, ?, ?, ?, ?)').run(collection, epoch, model, digest, dimension);
}

export function dropVectors(db: DatabaseSyncInstance, collection: number): void {
  db.prepare('DELETE FROM vector WHERE collection = ?').run(collection);
  db.prepare('DELETE FROM embedding WHERE collection = ?').run(collection);
}

export function removeVectors(db: DatabaseSyncInstance, chunks: readonly number[]): void {
  const remove = db.prepare('DELETE FROM vector WHERE chunk = ?');
  for (const chunk of chunks) remove.run(chunk);
}

/** Of passages that are there and had none. Returns how many are kept. */
export function insertVectors(
  db: DatabaseSyncInstance,
  collection: number,
  stamp: number,
  vectors: readonly PassageVector[],
): number {
  const find = db.prepare(
    `SELECT title, headings, text FROM chunk JOIN source ON source.id = chunk.source
      WHERE chunk.id = ? AND collection = ?`,
  );
  const insert = vectorInsert(db);
  let kept = 0;
  for (const { passage, vector } of vectors) {
    const row = find.get(passage, collection) as TextRow | undefined;
    const direction = unit(vector);
    if (row === undefined || direction === undefined) continue;
    kept += insert(passage, collection, stamp, contentOf(textOf(row)), encodedVector(direction));
  }
  return kept;
}

/** In the order of their ids, above `after`. */
export function readUnembedded(
  db: DatabaseSyncInstance,
  collection: string,
  after: number,
  limit: number,
): readonly UnembeddedPassage[] {
  // By the passages' ids, so that the next ones are found from where these end.
  const rows = db
    .prepare(
      `SELECT chunk.id AS id, title, headings, text
        FROM chunk CROSS JOIN source ON source.id = chunk.source LEFT JOIN vector ON vector.chunk = chunk.id
        WHERE chunk.id > ? AND source.collection = (SELECT id FROM collection WHERE name = ?) AND vector.chunk IS NULL
        ORDER BY chunk.id LIMIT ?`,
    )
    .all(after, collection, limit) as unknown as readonly (TextRow & { id: number })[];
  return rows.map((row) => ({ id: row.id, text: textOf(row) }));
}

export function countUnembedded(db: DatabaseSyncInstance, collection: string): number {
  const sql = `SELECT (SELECT count(*) FROM chunk JOIN source ON source.id = chunk.source WHERE source.collection = c.id)
    - (SELECT count(*) FROM vector WHERE vector.collection = c.id) AS lacking FROM collection AS c WHERE name = ?`;
  return (db.prepare(sql).get(collection) as { lacking: number } | undefined)?.lacking ?? 0;
}

/** Within one apply: passages that come again as they were keep their vectors. */
export class KeptVectors {
  readonly #db: DatabaseSyncInstance;
  readonly #collection: number;
  readonly #stamp: number;
  /** By the content of what was removed. */
  readonly #removed = new Map<string, VectorCode>();

  constructor(db: DatabaseSyncInstance, collection: number, stamp: number) {
    this.#db = db;
    this.#collection = collection;
    this.#stamp = stamp;
  }

  /** `comesAgain`: something else is put in this apply, and may be what was removed. */
  remove(chunks: readonly number[], comesAgain: boolean): void {
    if (comesAgain) {
      const read = this.#db.prepare('SELECT content, scale, code FROM vector WHERE chunk = ?');
      for (const chunk of chunks) {
        const row = read.get(chunk) as (VectorRow & { content: Uint8Array }) | undefined;
        if (row !== undefined) this.#removed.set(Buffer.from(row.content).toString('hex'), codeOf(row));
      }
    }
    removeVectors(this.#db, chunks);
  }

  /** `brought`: it comes with this one. */
  add(id: number, title: string | null, chunk: Chunk, brought?: KeptVector): void {
    if (this.#removed.size === 0 && brought === undefined) return;
    const content = contentOf(embeddedText(title, chunk));
    const vector = brought === undefined ? this.#removed.get(content.toString('hex')) : codeOf(brought);
    if (vector !== undefined) vectorInsert(this.#db)(id, this.#collection, this.#stamp, content, vector);
  }
}

interface TextRow {
  readonly title: string | null;
  readonly headings: string;
  readonly text: string;
}

function textOf({ title, headings, text }: TextRow): string {
  return embeddedText(title, { headings: JSON.parse(headings) as string[], text });
}

function contentOf(text: string): Buffer {
  return createHash('sha256').update(text).digest().subarray(0, contentBytes);
}

/** A blob may begin anywhere in memory; wider values may not. */
export function codeOf({ scale, code }: Pick<VectorRow, 'scale' | 'code'>): VectorCode {
  return { scale, code: new Int16Array(new Uint8Array(code).buffer) };
}

type InsertVector = (
  chunk: number,
  collection: number,
  stamp: number,
  content: Buffer,
  vector: VectorCode,
) => number;

/** One that has a vector keeps it: a reader reads each row once. */
function vectorInsert(db: DatabaseSyncInstance): InsertVector {
  const insert = db.prepare('INSERT OR IGNORE INTO vector VALUES (?, ?, ?, ?, ?, ?)');
  return (chunk, collection, stamp, content, { scale, code }) => {
    const bytes = new Uint8Array(code.buffer, code.byteOffset, code.byteLength);
    return Number(insert.run(chunk, collection, stamp, content, scale, bytes).changes);
  };
}
