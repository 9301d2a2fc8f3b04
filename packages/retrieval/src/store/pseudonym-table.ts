/**
 * What pseudonyms stand for, sealed by who redacts: the store cannot read it.
 *
 * 1. A pseudonym is kept as long as a file of its collection has it, and goes with the last one in the same transaction.
 */
import type { DatabaseSyncInstance } from '@photostructure/sqlite';
import type { SealedPseudonym } from './store.ts';

export const PSEUDONYM_SCHEMA = `
  CREATE TABLE pseudonym (id INTEGER PRIMARY KEY, collection INTEGER NOT NULL, name TEXT NOT NULL, sealed BLOB NOT NULL,
    UNIQUE (collection, name));
  CREATE TABLE pseudonym_use (source INTEGER NOT NULL, pseudonym INTEGER NOT NULL, PRIMARY KEY (source, pseudonym))
    WITHOUT ROWID;
  CREATE INDEX pseudonym_use_pseudonym ON pseudonym_use (pseudonym);
`;

export function keepPseudonyms(
  db: DatabaseSyncInstance,
  collection: number,
  source: number,
  pseudonyms: readonly SealedPseudonym[],
): void {
  if (pseudonyms.length === 0) return;
  const insert = db.prepare(
    'INSERT INTO pseudonym (collection, name, sealed) VALUES (?, ?, ?) ON CONFLICT DO NOTHING',
  );
  const use = db.prepare(
    `INSERT INTO pseudonym_use SELECT ?, id FROM pseudonym WHERE collection = ? AND name = ? ON CONFLICT DO NOTHING`,
  );
  for (const { name, sealed } of pseudonyms) {
    insert.run(collection, name, sealed);
    use.run(source, collection, name);
  }
}

/** The file is gone, or is to be another. */
export function letGoPseudonyms(db: DatabaseSyncInstance, source: number): void {
  const rows = db.prepare('SELECT pseudonym AS id FROM pseudonym_use WHERE source = ?').all(source) as {
    id: number;
  }[];
  if (rows.length === 0) return;
  db.prepare('DELETE FROM pseudonym_use WHERE source = ?').run(source);
  const remove = db.prepare(
    'DELETE FROM pseudonym WHERE id = ?1 AND NOT EXISTS (SELECT 1 FROM pseudonym_use WHERE pseudonym = ?1)',
  );
  for (const { id } of rows) remove.run(id);
}

/** Whoever has it does not matter: it stands for nothing any more. */
export function forgetPseudonyms(
  db: DatabaseSyncInstance,
  collection: number,
  names: readonly string[],
): void {
  const known = db.prepare('SELECT id FROM pseudonym WHERE collection = ? AND name = ?');
  for (const name of names) {
    const row = known.get(collection, name) as { id: number } | undefined;
    if (row === undefined) continue;
    db.prepare('DELETE FROM pseudonym_use WHERE pseudonym = ?').run(row.id);
    db.prepare('DELETE FROM pseudonym WHERE id = ?').run(row.id);
  }
}

export function dropPseudonyms(db: DatabaseSyncInstance, collection: number): void {
  db.prepare(
    'DELETE FROM pseudonym_use WHERE pseudonym IN (SELECT id FROM pseudonym WHERE collection = ?)',
  ).run(collection);
  db.prepare('DELETE FROM pseudonym WHERE collection = ?').run(collection);
}

/** Those of the names that stand for something. */
export function readPseudonyms(
  db: DatabaseSyncInstance,
  collection: string,
  names: readonly string[],
): readonly SealedPseudonym[] {
  const known = db.prepare(
    `SELECT pseudonym.name AS name, sealed FROM pseudonym JOIN collection ON collection.id = pseudonym.collection
      WHERE collection.name = ? AND pseudonym.name = ?`,
  );
  return names.flatMap((name) => (known.get(collection, name) as SealedPseudonym | undefined) ?? []);
}
