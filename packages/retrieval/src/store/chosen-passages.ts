/**
 * The reading thread's sets of passages whose files were chosen, as the database has them.
 *
 * 1. A set is of one generation: when something was written it is made anew.
 * 2. A few are kept: who asks once with a choice asks again, and a question may need its set three times.
 */
import type { ChosenFiles } from '@gryphgen/protocol';
import type { DatabaseSyncInstance } from '@photostructure/sqlite';
import { chooserOf } from '../core/choose/chosen-files.ts';

/** Some 40 bytes a passage each. */
const mostKept = 4;

export class ChosenPassages {
  readonly #db: DatabaseSyncInstance;
  #generation = -1;
  /** Asked last, last. */
  readonly #kept = new Map<string, ReadonlySet<number>>();

  constructor(db: DatabaseSyncInstance) {
    this.#db = db;
  }

  /** Of one collection. Within the caller's transaction, which is at `generation`. */
  of(collection: string, files: ChosenFiles, generation: number): ReadonlySet<number> {
    if (generation !== this.#generation) this.#kept.clear();
    this.#generation = generation;
    const name = JSON.stringify([collection, files]);
    const chosen = this.#kept.get(name) ?? this.#found(collection, files);
    this.#kept.delete(name);
    this.#kept.set(name, chosen);
    const [oldest] = this.#kept.keys();
    if (this.#kept.size > mostKept && oldest !== undefined) this.#kept.delete(oldest);
    return chosen;
  }

  #found(collection: string, files: ChosenFiles): ReadonlySet<number> {
    const isChosen = chooserOf(files);
    const sql = 'SELECT id, key FROM source WHERE collection = (SELECT id FROM collection WHERE name = ?)';
    const rows = this.#db.prepare(sql).iterate(collection) as Iterable<{ id: number; key: string }>;
    const sources: number[] = [];
    for (const { id, key } of rows) if (isChosen(key)) sources.push(id);
    const passages = this.#db.prepare(
      'SELECT id FROM chunk WHERE source IN (SELECT value FROM json_each(?))',
    );
    const found = passages.iterate(JSON.stringify(sources)) as Iterable<{ id: number }>;
    return new Set(Array.from(found, ({ id }) => id));
  }
}
