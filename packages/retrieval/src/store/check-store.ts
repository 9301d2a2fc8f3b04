/** Whether a store's parts agree: SQLite's own check, and that each passage is in the index once and nothing else is. */
import type { DatabaseSyncInstance } from '@photostructure/sqlite';
import { isDead } from '../core/index/segment.ts';
import { readSegments } from './segment-table.ts';

const LOST_VECTORS = `SELECT count(*) AS vectors FROM vector LEFT JOIN chunk ON chunk.id = vector.chunk
  LEFT JOIN source ON source.id = chunk.source LEFT JOIN embedding ON embedding.collection = vector.collection
  WHERE source.collection IS NOT vector.collection OR length(code) IS NOT 2 * dimension`;

export function checkStore(db: DatabaseSyncInstance): readonly string[] {
  const rows = db.prepare('PRAGMA integrity_check').all() as { integrity_check: string }[];
  const structure = rows.map((row) => row.integrity_check).filter((line) => line !== 'ok');
  const stored = new Map(
    (
      db
        .prepare('SELECT chunk.id AS id, collection FROM chunk JOIN source ON source.id = chunk.source')
        .all() as { id: number; collection: number }[]
    ).map(({ id, collection }) => [id, collection]),
  );
  const findings: string[] = [];
  const { chunks } = db.prepare('SELECT count(*) AS chunks FROM chunk').get() as { chunks: number };
  if (chunks !== stored.size) findings.push(`${chunks - stored.size} passages belong to no source.`);
  for (const { id, collection, segment } of readSegments(db))
    for (let ordinal = 0; ordinal < segment.count; ordinal += 1) {
      if (isDead(segment.dead, ordinal)) continue;
      const chunk = segment.chunks[ordinal] as number;
      if (stored.get(chunk) !== collection)
        findings.push(`Segment ${id} has passage ${chunk}, which is not there.`);
      stored.delete(chunk);
    }
  if (stored.size > 0) findings.push(`${stored.size} passages are not in the index.`);
  const { vectors } = db.prepare(LOST_VECTORS).get() as { vectors: number };
  if (vectors > 0)
    findings.push(`${vectors} vectors are not of a passage of their collection, or not of its model.`);
  return [...structure, ...findings];
}
