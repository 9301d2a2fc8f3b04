/**
 * Opens a journal's folder: inspects it, rebuilds it if it is damaged, and takes the next epoch.
 *
 * 1. The new epoch is durable, in the log and beside it, before the store is returned.
 * 2. The caller holds the folder's lock.
 */
import { renameSync } from 'node:fs';
import { basename } from 'node:path';
import { AcknowledgedFile } from './acknowledged-file.ts';
import type { BlobIndex } from './blob-index.ts';
import { createDatabase, type DatabaseSettings, openForWriting, writeState } from './database.ts';
import { journalFormat } from './digest-chain.ts';
import { type Inspection, inspect } from './inspection.ts';
import type { Finding, FindingKind } from './journal.ts';
import { JournalError } from './journal.ts';
import {
  databaseFiles,
  generationsIn,
  journalPath,
  putAside,
  readEpochFile,
  removeUnfinished,
  snapshotPath,
  snapshotsIn,
  syncFolder,
  writeEpochFile,
} from './journal-files.ts';
import { mendHistory } from './mend-history.ts';
import { rebuild } from './rebuild.ts';
import type { Snapshot } from './snapshot-file.ts';
import { failureOfWrite } from './sqlite-failure.ts';
import { Store } from './store.ts';
import { WalFile } from './wal-file.ts';

export interface StoreOpening {
  readonly dir: string;
  readonly settings: DatabaseSettings & { readonly checkpointPages: number };
  /** This program's version, told to an older one that meets the journal. */
  readonly program: string;
  readonly wallMs: number;
}

export interface OpenedStore {
  readonly store: Store;
  readonly path: string;
  readonly snapshot: Snapshot | undefined;
  readonly tailGroups: number;
  readonly tailBytes: number;
  readonly findings: readonly Finding[];
}

/** These say that something is not there, not that the file is damaged: copying would change nothing. */
const NOT_DAMAGE: ReadonlySet<FindingKind> = new Set(['torn', 'missing', 'snapshot', 'history']);

/** Throws JournalError. */
export function openStore(opening: StoreOpening): OpenedStore {
  const { dir, program, settings, wallMs } = opening;
  removeUnfinished(dir);
  const findings: Finding[] = [];
  const found = currentGeneration(opening, findings);
  const inspection = inspect(dir, journalPath(dir, found), settings, program);
  findings.push(...inspection.findings);
  try {
    findings.push(...mendHistory({ dir, wallMs, snapshotSeq: inspection.snapshot?.seq ?? 0 }));
    const { generation, blobs } = repair(opening, found, inspection);
    const path = journalPath(dir, generation);
    const epoch = Math.max(inspection.epoch, readEpochFile(dir)) + 1;
    writeEpochFile(dir, epoch);
    const walBytes = settings.checkpointPages * (settings.pageBytes + 24);
    const db = openForWriting(path, settings, walBytes);
    writeState(db, { format: journalFormat, epoch, program });
    const wal = new WalFile(path);
    wal.sync();
    syncFolder(dir);
    wal.reserve(walBytes);
    const { head, snapshot, tailGroups, tailBytes } = inspection;
    const acknowledged = new AcknowledgedFile(dir);
    acknowledged.note(head);
    const store = new Store(db, { ...settings, dir, epoch, head, blobs, wal, acknowledged });
    return { store, path, snapshot, tailGroups, tailBytes, findings };
  } catch (error) {
    throw failureOfWrite(error, dir);
  }
}

/** The number of the database that counts, made when there is none. */
function currentGeneration(opening: StoreOpening, findings: Finding[]): number {
  const { dir } = opening;
  const generations = generationsIn(dir);
  const newest = generations.at(-1);
  if (newest === undefined) {
    if (snapshotsIn(dir).length > 0) {
      findings.push(
        told('missing', `The journal's database in ${dir} is gone: what no snapshot holds is lost.`),
      );
    } else if (readEpochFile(dir) > 0) {
      throw new JournalError(
        'damaged',
        `The journal's database in ${dir} is gone, and there is no snapshot. Restore a backup, or move the folder ` +
          'away to begin anew.',
      );
    }
    createEmpty(opening);
    return 1;
  }
  for (const left of generations.slice(0, -1)) {
    const name = basename(journalPath(dir, left));
    findings.push(
      told('structure', `An earlier opening found ${name} damaged and ended before it could tell how.`),
    );
    putAside(dir, opening.wallMs, databaseFiles(name));
  }
  return newest;
}

/** Puts aside what is damaged; returns the number of the database to go on with, and where its blobs lie. */
function repair(
  opening: StoreOpening,
  generation: number,
  inspection: Inspection,
): { readonly generation: number; readonly blobs: BlobIndex } {
  const { dir, wallMs } = opening;
  const snapshots = inspection.badSnapshots.map((seq) => basename(snapshotPath(dir, seq)));
  if (inspection.findings.every(({ kind }) => NOT_DAMAGE.has(kind))) {
    putAside(dir, wallMs, snapshots);
    return { generation, blobs: inspection.blobs };
  }
  const blobs = rebuild({ ...opening, from: generation }, inspection);
  putAside(dir, wallMs, [...snapshots, ...databaseFiles(basename(journalPath(dir, generation)))]);
  return { generation: generation + 1, blobs };
}

function createEmpty({ dir, settings, program }: StoreOpening): void {
  const path = journalPath(dir, 1);
  createDatabase(`${path}.new`, settings, { format: journalFormat, epoch: 0, program }).close();
  renameSync(`${path}.new`, path);
  syncFolder(dir);
}

function told(kind: FindingKind, what: string): Finding {
  return { kind, seq: null, what, expected: null, found: null };
}
