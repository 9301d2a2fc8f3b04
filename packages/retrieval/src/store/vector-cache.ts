/**
 * The reading thread's vectors in memory, as the database has them.
 *
 * 1. They are looked at again whenever something was written: what is new is added. What was removed stays in memory and is
 *    passed over, until that is too much.
 * 2. At most `mostBytes`: the collection that was asked longest ago goes first, and one that has more alone is asked by what
 *    little of each vector is in memory, and the best are read.
 */
import type { DatabaseSyncInstance, StatementSyncInstance } from '@photostructure/sqlite';
import type { VectorCode } from '../core/vectors/vector-code.ts';
import { exactUpTo, type Near, VectorIndex } from '../core/vectors/vector-index.ts';
import { codeOf, type StoredEmbedding, type VectorRow } from './vector-table.ts';

/** Removed ones beyond these, and so many of a hundred that are there, have it loaded anew. */
const fewRemoved = 256;
const removedPart = 0.2;

interface Cached {
  readonly epoch: number;
  readonly index: VectorIndex;
  /** There when its centre was found. */
  readonly begunWith: number;
  generation: number;
  /** In memory, and not in the database. */
  removed: number;
}

export class VectorCache {
  readonly #db: DatabaseSyncInstance;
  readonly #one: StatementSyncInstance;
  readonly #mostBytes: number;
  /** By collection; asked last, last. */
  readonly #cached = new Map<number, Cached>();

  constructor(db: DatabaseSyncInstance, mostBytes: number) {
    this.#db = db;
    this.#one = db.prepare('SELECT chunk, scale, code FROM vector WHERE chunk = ?');
    this.#mostBytes = mostBytes;
  }

  /** Best first, and removed ones among them: as many more. Within the caller's transaction, which is at `generation`. */
  nearest(
    embedding: StoredEmbedding,
    generation: number,
    query: Float32Array,
    limit: number,
    chosen?: ReadonlySet<number>,
  ): readonly Near[] {
    const { collection } = embedding;
    const current = this.#refreshed(embedding, generation) ?? this.#loaded(embedding, generation);
    this.#cached.delete(collection);
    this.#cached.set(collection, current);
    return current.index.nearest(query, limit + current.removed, chosen);
  }

  #refreshed({ collection, epoch }: StoredEmbedding, generation: number): Cached | undefined {
    const cached = this.#cached.get(collection);
    if (cached === undefined || cached.generation === generation) return cached;
    if (cached.epoch !== epoch) return undefined;
    const { index, begunWith } = cached;
    const count = this.#count(collection);
    if (count > Math.max(exactUpTo, 2 * begunWith)) return undefined;
    for (const row of this.#rows('collection = ? AND stamp > ?', collection, cached.generation))
      index.add(row.chunk, codeOf(row));
    cached.generation = generation;
    cached.removed = index.count - count;
    return cached.removed > fewRemoved + count * removedPart ? undefined : cached;
  }

  #loaded({ collection, epoch, dimension }: StoredEmbedding, generation: number): Cached {
    this.#cached.delete(collection);
    const count = this.#count(collection);
    const codeBytes = count * dimension * Int16Array.BYTES_PER_ELEMENT;
    const keepsCodes = codeBytes <= this.#mostBytes;
    this.#makeRoom(keepsCodes ? codeBytes : 0);
    const centre = count <= exactUpTo ? undefined : this.#centre(collection, dimension, count);
    const read = (chunk: number): VectorCode | undefined => {
      const row = this.#one.get(chunk) as VectorRow | undefined;
      return row === undefined ? undefined : codeOf(row);
    };
    const index = new VectorIndex({ dimension, keepsCodes, centre, read });
    for (const row of this.#rows('collection = ?', collection)) index.add(row.chunk, codeOf(row));
    return { epoch, index, begunWith: count, generation, removed: 0 };
  }

  /** For as many bytes more. */
  #makeRoom(bytes: number): void {
    let used = bytes;
    for (const { index } of this.#cached.values()) used += index.bytes;
    for (const [collection, { index }] of this.#cached) {
      if (used <= this.#mostBytes) return;
      used -= index.bytes;
      this.#cached.delete(collection);
    }
  }

  /** The middle of some of them. */
  #centre(collection: number, dimension: number, count: number): Float32Array {
    const each = Math.ceil(count / exactUpTo);
    const sums = new Float64Array(dimension);
    let seen = 0;
    for (const row of this.#rows('collection = ? AND chunk % ? = 0', collection, each)) {
      const { scale, code } = codeOf(row);
      for (let at = 0; at < dimension; at += 1)
        sums[at] = (sums[at] as number) + scale * (code[at] as number);
      seen += 1;
    }
    return Float32Array.from(sums, (sum) => sum / Math.max(1, seen));
  }

  #count(collection: number): number {
    const sql = 'SELECT count(*) AS count FROM vector WHERE collection = ?';
    return (this.#db.prepare(sql).get(collection) as { count: number }).count;
  }

  #rows(where: string, ...values: readonly number[]): Iterable<VectorRow> {
    const rows = this.#db.prepare(`SELECT chunk, scale, code FROM vector WHERE ${where}`);
    return rows.iterate(...values) as Iterable<VectorRow>;
  }
}
