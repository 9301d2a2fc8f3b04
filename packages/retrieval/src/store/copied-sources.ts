/** Sources as they are kept, so that another store can be given the same: passages with their places, vectors and pseudonyms. */
import type { DatabaseSyncInstance } from '@photostructure/sqlite';
import { type ChunkRow, chunkColumns, chunkOf } from './chunk-row.ts';
import type { CopiedSource, SealedPseudonym } from './store.ts';

interface SourceRow {
  readonly id: number;
  readonly key: string;
  readonly path: string;
  readonly title: string | null;
  readonly revision: string | null;
  readonly hash: string;
  readonly cause: string | null;
}

interface CopiedRow extends ChunkRow {
  /** null: it has no vector. */
  readonly scale: number | null;
  readonly code: Uint8Array;
}

export function readCopied(
  db: DatabaseSyncInstance,
  collection: string,
  keys: readonly string[],
): readonly CopiedSource[] {
  const sources = db.prepare(
    `SELECT id, key, path, title, revision, hash, cause FROM source
      WHERE collection = (SELECT id FROM collection WHERE name = ?) AND key = ?`,
  );
  const chunks = db.prepare(
    `SELECT ${chunkColumns}, scale, code
      FROM chunk LEFT JOIN vector ON vector.chunk = chunk.id WHERE source = ? ORDER BY seq`,
  );
  const pseudonyms = db.prepare(
    `SELECT name, sealed FROM pseudonym_use JOIN pseudonym ON pseudonym.id = pseudonym_use.pseudonym
      WHERE pseudonym_use.source = ? ORDER BY name`,
  );
  return keys.flatMap((key): readonly CopiedSource[] => {
    const row = sources.get(collection, key) as SourceRow | undefined;
    if (row === undefined) return [];
    const { id, cause, ...source } = row;
    const named = pseudonyms.all(id) as unknown as readonly SealedPseudonym[];
    const rest = { source, ...(named.length > 0 && { pseudonyms: named }) };
    if (cause !== null) return [{ kind: 'fail', cause, ...rest }];
    return [{ kind: 'put', ...rest, chunks: (chunks.all(id) as unknown as CopiedRow[]).map(copiedOf) }];
  });
}

function copiedOf({ scale, code, ...row }: CopiedRow) {
  return { ...chunkOf(row), ...(scale !== null && { vector: { scale, code } }) };
}
