/** Feedback and what was learned from it as rows. Both are bounded: the oldest go. */
import type { DatabaseSyncInstance } from '@photostructure/sqlite';
import { hasSubject } from '../core/forget/subject.ts';
import type { CopiedLearning, FeedbackEntry, KeptFeedback, LearnedVersion } from './store.ts';

/** Of a collection. What is learned takes a few seconds for as many. */
const mostFeedback = 5000;
/** Of these, at most so many that say only what was used: people's words are not crowded out. */
const mostUsed = 2500;
const mostVersions = 20;

export const FEEDBACK_SCHEMA = `
  CREATE TABLE feedback (id INTEGER PRIMARY KEY AUTOINCREMENT, collection INTEGER NOT NULL, key TEXT NOT NULL,
    query TEXT NOT NULL, first_line INTEGER, last_line INTEGER, verdict TEXT NOT NULL);
  CREATE INDEX feedback_collection ON feedback (collection);
  CREATE TABLE learned (collection INTEGER NOT NULL, version INTEGER NOT NULL, upto INTEGER NOT NULL,
    strength REAL NOT NULL, queries INTEGER NOT NULL, before REAL NOT NULL, after REAL NOT NULL, at INTEGER NOT NULL,
    alike INTEGER, PRIMARY KEY (collection, version)) WITHOUT ROWID;
`;

/** That it was used says nothing of a file that has a word for the query already. */
export function addFeedback(db: DatabaseSyncInstance, collection: number, entry: FeedbackEntry): void {
  if (entry.verdict === 'used') {
    const same = 'SELECT 1 FROM feedback WHERE collection = ? AND key = ? AND query = ? LIMIT 1';
    if (db.prepare(same).get(collection, entry.key, entry.query) !== undefined) return;
    db.prepare(
      `DELETE FROM feedback WHERE collection = ?1 AND verdict = 'used' AND id <=
        (SELECT id FROM feedback WHERE collection = ?1 AND verdict = 'used' ORDER BY id DESC LIMIT 1 OFFSET ${mostUsed - 1})`,
    ).run(collection);
  }
  insertFeedback(db, collection, entry);
}

function insertFeedback(
  db: DatabaseSyncInstance,
  collection: number,
  { key, query, lines, verdict }: FeedbackEntry,
): void {
  db.prepare(
    'INSERT INTO feedback (collection, key, query, first_line, last_line, verdict) VALUES (?, ?, ?, ?, ?, ?)',
  ).run(collection, key, query, lines?.[0] ?? null, lines?.[1] ?? null, verdict);
  db.prepare(
    `DELETE FROM feedback WHERE collection = ?1 AND id <=
      (SELECT id FROM feedback WHERE collection = ?1 ORDER BY id DESC LIMIT 1 OFFSET ${mostFeedback})`,
  ).run(collection);
}

/** Oldest first. */
export function readFeedback(db: DatabaseSyncInstance, collection: string): readonly KeptFeedback[] {
  const rows = db
    .prepare(
      `SELECT feedback.id AS id, key, query, first_line, last_line, verdict FROM feedback
        JOIN collection ON collection.id = feedback.collection WHERE name = ? ORDER BY feedback.id`,
    )
    .all(collection) as (Omit<KeptFeedback, 'lines'> & { first_line: number | null; last_line: number })[];
  return rows.map(({ id, key, query, verdict, first_line, last_line }) => ({
    ...{ id, key, query, verdict },
    lines: first_line === null ? null : [first_line, last_line],
  }));
}

export function insertVersion(
  db: DatabaseSyncInstance,
  collection: number,
  { upTo, strength, queries, before, after, at, like }: Omit<LearnedVersion, 'version'>,
): void {
  const { newest } = db
    .prepare('SELECT coalesce(max(version), 0) AS newest FROM learned WHERE collection = ?')
    .get(collection) as { newest: number };
  db.prepare('INSERT INTO learned VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)').run(
    ...[collection, newest + 1, upTo, strength, queries, before, after, at, like],
  );
  db.prepare('DELETE FROM learned WHERE collection = ? AND version <= ?').run(
    collection,
    newest + 1 - mostVersions,
  );
}

/** Newest first. */
export function readVersions(db: DatabaseSyncInstance, collection: string): readonly LearnedVersion[] {
  return db
    .prepare(
      `SELECT version, upto AS upTo, strength, queries, before, after, at, alike AS like FROM learned
        JOIN collection ON collection.id = learned.collection WHERE name = ? ORDER BY version DESC`,
    )
    .all(collection) as unknown as readonly LearnedVersion[];
}

export function copiedLearning(db: DatabaseSyncInstance, collection: string): CopiedLearning {
  const kept = readFeedback(db, collection);
  const versions = readVersions(db, collection).map((one) => ({
    ...one,
    upTo: kept.filter(({ id }) => id <= one.upTo).length,
  }));
  return { feedback: kept.map(({ id: _, ...entry }) => entry), versions };
}

/** In place of what was there; ids are this store's own. */
export function replaceLearning(
  db: DatabaseSyncInstance,
  collection: number,
  { feedback, versions }: CopiedLearning,
): void {
  dropFeedback(db, collection);
  for (const entry of feedback) insertFeedback(db, collection, entry);
  const ids = db.prepare('SELECT id FROM feedback WHERE collection = ? ORDER BY id').all(collection) as {
    id: number;
  }[];
  const insert = db.prepare('INSERT INTO learned VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)');
  for (const { version, upTo, strength, queries, before, after, at, like } of versions)
    insert.run(...[collection, version, ids[upTo - 1]?.id ?? 0, strength, queries, before, after, at, like]);
}

/** Feedback with the subject in its query or in the name of its file. Returns how many. */
export function forgetFeedback(db: DatabaseSyncInstance, collection: number, subject: string): number {
  const rows = db.prepare('SELECT id, key, query FROM feedback WHERE collection = ?').all(collection) as {
    id: number;
    key: string;
    query: string;
  }[];
  const gone = rows.filter(({ key, query }) => hasSubject(key, subject) || hasSubject(query, subject));
  const remove = db.prepare('DELETE FROM feedback WHERE id = ?');
  for (const { id } of gone) remove.run(id);
  return gone.length;
}

export function dropFeedback(db: DatabaseSyncInstance, collection: number): void {
  db.prepare('DELETE FROM feedback WHERE collection = ?').run(collection);
  db.prepare('DELETE FROM learned WHERE collection = ?').run(collection);
}
