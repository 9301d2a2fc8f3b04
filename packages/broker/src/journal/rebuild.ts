/**
 * Copies what can be believed of a damaged journal into a new database and puts the damaged one aside.
 *
 * 1. The rename of the complete new file is the moment it counts; before it, the next opening starts over.
 * 2. What is not copied is in the inspection's findings, and lies in the folder of damage as it was found.
 */
import { renameSync } from 'node:fs';
import type { DatabaseSyncInstance } from '@photostructure/sqlite';
import { readBlobs } from './blob-audit.ts';
import { type ChainGroup, readGroups } from './chain-reader.ts';
import { createDatabase, type DatabaseSettings, hasOurTables, openForReading } from './database.ts';
import type { DigestRow } from './digest-audit.ts';
import { journalFormat } from './digest-chain.ts';
import { FindingList } from './finding-list.ts';
import type { Inspection } from './inspection.ts';
import { journalPath, syncFolder } from './journal-files.ts';
import { isDamage } from './sqlite-failure.ts';

export interface Rebuilding {
  readonly dir: string;
  readonly from: number;
  readonly settings: DatabaseSettings;
  readonly program: string;
  readonly wallMs: number;
}

/** Writes journal-(from + 1).db. */
export function rebuild(work: Rebuilding, inspection: Inspection): void {
  const { dir, settings } = work;
  const path = journalPath(dir, work.from + 1);
  const state = { format: journalFormat, epoch: inspection.epoch, program: work.program };
  const target = createDatabase(`${path}.new`, settings, state);
  const source = openIfReadable(journalPath(dir, work.from), settings);
  try {
    target.exec('BEGIN');
    if (source !== undefined) {
      copyDigests(source, target, inspection);
      copyGroups(source, target, inspection);
      copyBlobs(source, target);
    }
    const gap = target.prepare('INSERT INTO gaps (first, last, digest, at) VALUES (?, ?, ?, ?)');
    for (const { first, last, digest } of inspection.gaps) gap.run(first, last, digest, work.wallMs);
    target.exec('COMMIT');
  } finally {
    source?.close();
    target.close();
  }
  renameSync(`${path}.new`, path);
  syncFolder(dir);
}

function openIfReadable(path: string, settings: DatabaseSettings): DatabaseSyncInstance | undefined {
  const db = openForReading(path, settings);
  try {
    if (hasOurTables(db)) return db;
    db.close();
    return undefined;
  } catch (error) {
    db.close();
    if (!isDamage(error)) throw error;
    return undefined;
  }
}

/** Rows in a gap are those that did not check; groups that no longer lead anywhere leave their digests. */
function copyDigests(
  source: DatabaseSyncInstance,
  target: DatabaseSyncInstance,
  inspection: Inspection,
): void {
  const insert = target.prepare(
    'INSERT INTO digests (seq, epoch, format, content, digest) VALUES (?, ?, ?, ?, ?)',
  );
  const lost = (seq: number) => inspection.gaps.some(({ first, last }) => seq >= first && seq <= last);
  let last = 0;
  const copy = (row: DigestRow) => {
    if (row.seq <= last || row.seq > inspection.groupsAfter.seq || lost(row.seq)) return;
    insert.run(row.seq, row.epoch, row.format, row.content, row.digest);
    last = row.seq;
  };
  const rows = 'SELECT seq, epoch, format, content, digest FROM';
  for (const table of ['digests', 'groups']) {
    try {
      const found = source.prepare(`${rows} ${table} ORDER BY seq`).iterate() as IterableIterator<DigestRow>;
      for (const row of found) copy(row);
    } catch (error) {
      // Where reading ends, the inspection ended too: the gaps it found begin there.
      if (!isDamage(error)) throw error;
    }
  }
}

function copyGroups(
  source: DatabaseSyncInstance,
  target: DatabaseSyncInstance,
  inspection: Inspection,
): void {
  const insert = target.prepare(
    `INSERT INTO groups (seq, epoch, format, previous, content, digest, named, records)
     VALUES (?, ?, ?, ?, ?, ?, ?, ?)`,
  );
  for (const row of readGroups(source, inspection.groupsAfter, inspection.head.seq)) {
    const { seq, epoch, format, previous, content, digest, named, records }: ChainGroup = row;
    insert.run(seq, epoch, format, previous, content, digest, named, records);
  }
}

function copyBlobs(source: DatabaseSyncInstance, target: DatabaseSyncInstance): void {
  const told = new FindingList();
  const insert = target.prepare('INSERT INTO blobs (id, hash, seq, bytes) VALUES (?, ?, ?, ?)');
  for (const { id, hash, seq, bytes } of readBlobs(source, told)) insert.run(id, hash, seq, bytes);
}
