/**
 * Copies what can be believed of a damaged journal into a new database and puts the damaged one aside.
 *
 * 1. The rename of the complete new file is the moment it counts; before it, the next opening starts over.
 * 2. What is not copied is in the inspection's findings, and lies in the folder of damage as it was found.
 */
import { renameSync } from 'node:fs';
import type { DatabaseSyncInstance } from '@photostructure/sqlite';
import { readBlobs } from './blob-audit.ts';
import { BlobIndex } from './blob-index.ts';
import { type ChainGroup, readGroups } from './chain-reader.ts';
import { createDatabase, type DatabaseSettings, hasOurTables, openForReading } from './database.ts';
import { auditDigests, type DigestRow } from './digest-audit.ts';
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

/** Writes journal-(from + 1).db; returns where the blobs lie in it. */
export function rebuild(work: Rebuilding, inspection: Inspection): BlobIndex {
  const { dir, settings } = work;
  const path = journalPath(dir, work.from + 1);
  const state = { format: journalFormat, epoch: inspection.epoch, program: work.program };
  const target = createDatabase(`${path}.new`, settings, state);
  let blobs = new BlobIndex();
  const source = openIfReadable(journalPath(dir, work.from), settings);
  try {
    target.exec('BEGIN');
    if (source !== undefined) {
      copyDigests(source, target, inspection);
      copyGroups(source, target, inspection);
      blobs = copyBlobs(source, target, inspection.blobs);
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
  return blobs;
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

/** Those that the inspection believed; groups that no longer lead anywhere leave theirs. */
function copyDigests(
  source: DatabaseSyncInstance,
  target: DatabaseSyncInstance,
  { gaps, firstGroup, groupsAfter }: Inspection,
): void {
  const insert = target.prepare(
    'INSERT INTO digests (seq, epoch, format, content, digest) VALUES (?, ?, ?, ?, ?)',
  );
  const copy = ({ seq, epoch, format, content, digest }: DigestRow) => {
    const isLost = gaps.some(({ first, last }) => seq >= first && seq <= last);
    if (!isLost && seq <= groupsAfter.seq) insert.run(seq, epoch, format, content, digest);
  };
  auditDigests(source, new FindingList(), copy);
  for (const row of readGroups(source, firstGroup, groupsAfter.seq)) copy(row);
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

/** In new places: a page that was written over another makes rows appear twice, or under the number of others. */
function copyBlobs(source: DatabaseSyncInstance, target: DatabaseSyncInstance, named: BlobIndex): BlobIndex {
  const told = new FindingList();
  const copied = new BlobIndex();
  const insert = target.prepare('INSERT INTO blobs (hash, seq, bytes) VALUES (?, ?, ?)');
  for (const { hash, seq, bytes } of readBlobs(source, told)) {
    if (copied.get(hash) !== undefined) continue;
    const id = insert.run(hash, seq, bytes).lastInsertRowid as number;
    copied.set(hash, { id, seq: named.get(hash)?.seq ?? seq });
  }
  return copied;
}
