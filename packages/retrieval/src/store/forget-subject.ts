/** Takes what has a subject in it out of a collection's tables, and says which passages are gone, for the index. */
import type { DatabaseSyncInstance } from '@photostructure/sqlite';
import { hasSubject } from '../core/forget/subject.ts';
import { letGoPseudonyms } from './pseudonym-table.ts';

export interface ForgottenRows {
  /** Ids of passages. */
  readonly chunks: readonly number[];
  readonly files: number;
}

interface ChunkRow {
  readonly id: number;
  readonly headings: string;
  readonly symbols: string;
  readonly text: string;
}

/** Within the caller's transaction. A file whose name, title or cause has the subject goes as a whole. */
export function forgetRows(db: DatabaseSyncInstance, collection: number, subject: string): ForgottenRows {
  const sources = db
    .prepare('SELECT id, key, path, title, cause FROM source WHERE collection = ?')
    .all(collection) as {
    id: number;
    key: string;
    path: string;
    title: string | null;
    cause: string | null;
  }[];
  const named = sources.filter(({ key, path, title, cause }) =>
    [key, path, title, cause].some((text) => text !== null && hasSubject(text, subject)),
  );
  const chunks = subjectChunks(db, collection, subject);
  const ofSource = db.prepare('SELECT id FROM chunk WHERE source = ?');
  const removeSource = db.prepare('DELETE FROM source WHERE id = ?');
  for (const { id } of named) {
    for (const chunk of ofSource.all(id) as { id: number }[]) chunks.add(chunk.id);
    letGoPseudonyms(db, id);
    removeSource.run(id);
  }
  const removeChunk = db.prepare('DELETE FROM chunk WHERE id = ?');
  for (const id of chunks) removeChunk.run(id);
  return { chunks: [...chunks], files: named.length };
}

export function subjectChunks(db: DatabaseSyncInstance, collection: number, subject: string): Set<number> {
  const rows = db
    .prepare(
      `SELECT chunk.id AS id, headings, symbols, text FROM chunk JOIN source ON source.id = chunk.source
        WHERE collection = ?`,
    )
    .iterate(collection) as Iterable<ChunkRow>;
  const found = new Set<number>();
  for (const { id, headings, symbols, text } of rows) {
    const names = [...(JSON.parse(headings) as string[]), ...(JSON.parse(symbols) as string[])];
    if ([text, ...names].some((one) => hasSubject(one, subject))) found.add(id);
  }
  return found;
}
