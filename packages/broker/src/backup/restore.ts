/**
 * `grid restore`: makes a broker's home of a backup, here or on another machine.
 *
 * 1. The whole file is verified before anything is written; then all is made beside the home, opened and replayed, and
 *    put in place by one rename.
 * 2. What was decided after the backup is not known here. So that nothing of it is mistaken for what comes: the epoch is
 *    one that the lost time cannot have reached (no attempt of it matches a lease, E8), and no number of a task is given
 *    again (who waits for one of the lost tasks is told that there is none). Both go by the clock, so that a backup can be
 *    restored twice.
 */
import { randomBytes } from 'node:crypto';
import {
  closeSync,
  copyFileSync,
  existsSync,
  fsyncSync,
  mkdirSync,
  openSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  writeSync,
} from 'node:fs';
import { dirname, join, resolve } from 'node:path';
import { type Epoch, failure, GridError, productVersion, type TaskId } from '@gryphgen/protocol';
import { gridIdOf, parseJson, readArchive } from '@gryphgen/runtime';
import { z } from 'zod';
import { brokenInvariants } from '../core/invariants.ts';
import { decided } from '../core/record/decisions.ts';
import { replay } from '../fsck/replay.ts';
import { closeReader, openForReading } from '../journal/database.ts';
import { JournalError } from '../journal/journal.ts';
import { readEpochFile, syncFolder, writeEpochFile } from '../journal/journal-files.ts';
import { openStore } from '../journal/open-store.ts';
import { journalSettings } from '../journal/settings.ts';
import { encodeDecisions } from '../records.ts';
import { type ArtifactsOrder, takeArtifacts, withFolder } from './backup-artifacts.ts';
import {
  type ArtifactsLeftOut,
  type BackupArtifacts,
  type BackupDocument,
  backupAboutSchema,
  backupKind,
  backupNames,
} from './backup-file.ts';

export interface RestoreOrder {
  readonly file: string;
  /** Not there yet, or empty. */
  readonly home: string;
  /** The `keys` folder to go with a backup that has none; '' when it has them. */
  readonly keys: string;
  readonly wallMs: number;
  /** Told where the home is made, all of it, before it gets its place: what is written there comes with it or not at all. */
  readonly complete?: (draft: string) => void;
  /** A folder beside the home that becomes its store of artifacts. */
  readonly store?: string;
}

export interface RestoreDocument {
  readonly home: string;
  readonly backup: BackupDocument;
  /** Of the broker's next start, at least. */
  readonly epoch: number;
  readonly nextTask: number;
  readonly unfinished: number;
}

/** A clock that is wrong does not undo what the epoch is for. */
const leastJump = 1000;
const tasksPerMinute = 100_000;
const leastTaskJump = 1_000_000;

/** With the files of tasks that were kept with it. Rejects like `restore` throws. */
export async function restoreWithArtifacts(
  order: RestoreOrder,
  artifacts: ArtifactsOrder,
): Promise<RestoreDocument & { readonly leftOut: ArtifactsLeftOut }> {
  const home = resolve(order.home);
  mustBeEmpty(home);
  const kept = artifactsOf(readBackup(order.file));
  if (!existsSync(artifacts.folder)) throw refused(`${artifacts.folder}: there is no such folder`);
  const store = `${home}.${randomBytes(6).toString('hex')}.draft`;
  mkdirSync(store, { recursive: true, mode: 0o711 });
  try {
    const take = () => takeArtifacts(kept, store, artifacts);
    const leftOut = await withFolder(artifacts.folder, home, take);
    return { ...restore({ ...order, store }), leftOut };
  } finally {
    rmSync(store, { recursive: true, force: true });
  }
}

/** Throws GridError `rejected.state` of a backup that was made without files of tasks. */
export function artifactsOf({ file, artifacts }: BackupDocument): BackupArtifacts {
  if (artifacts !== undefined) return artifacts;
  throw refused(`${file} was made without the files of tasks: leave out --with-artifacts`);
}

function mustBeEmpty(home: string): void {
  if (existsSync(home) && (!statSync(home).isDirectory() || readdirSync(home).length > 0))
    throw refused(`${home} is not empty: restore into a folder that is not there yet, or move this one away`);
}

/** Throws GridError, in words, and what the file system says. Nothing is left of a restore that failed. */
export function restore({ file, home: path, keys, wallMs, complete, store }: RestoreOrder): RestoreDocument {
  const home = resolve(path);
  mustBeEmpty(home);
  const backup = readBackup(file);
  const draft = `${home}.${randomBytes(6).toString('hex')}.draft`;
  mkdirSync(draft, { recursive: true, mode: 0o700 });
  try {
    unpack(file, draft);
    takeKeys(backup, keys, draft);
    const restored = settle(join(draft, 'journal'), wallMs);
    if (store !== undefined) renameSync(store, join(draft, 'artifacts'));
    complete?.(draft);
    syncAll(draft);
    renameSync(draft, home);
    syncFolder(dirname(home));
    return { home, backup, ...restored };
  } catch (error) {
    if (error instanceof JournalError) throw refused(`${file} cannot be restored: ${error.message}`);
    throw error;
  } finally {
    rmSync(draft, { recursive: true, force: true });
  }
}

/** Verifies every byte. Throws GridError `rejected.invalid`, naming the place. */
export function readBackup(file: string): BackupDocument {
  const { about, files } = readArchive(file, { kind: backupKind, names: backupNames });
  const parsed = backupAboutSchema.safeParse(about);
  if (!parsed.success) {
    const words = `${file}: what its manifest tells of the backup makes no sense: ${z.prettifyError(parsed.error)}`;
    throw new GridError(failure('rejected.invalid', words));
  }
  return { file, bytes: statSync(file).size, ...parsed.data, files };
}

/** Every file and then its folder: a home that is in place is on the disk, whatever the machine does next. */
function syncAll(folder: string): void {
  for (const entry of readdirSync(folder, { withFileTypes: true })) {
    const path = join(folder, entry.name);
    if (entry.isDirectory()) syncAll(path);
    else syncFile(path);
  }
  syncFolder(folder);
}

function syncFile(path: string): void {
  const file = openSync(path, 'r');
  try {
    fsyncSync(file);
  } finally {
    closeSync(file);
  }
}

function unpack(file: string, draft: string): void {
  const descriptors = new Map<string, number>();
  const opened = (name: string): number => {
    const known = descriptors.get(name);
    if (known !== undefined) return known;
    mkdirSync(dirname(join(draft, name)), { recursive: true, mode: 0o700 });
    const descriptor = openSync(join(draft, name), 'wx', 0o600);
    descriptors.set(name, descriptor);
    return descriptor;
  };
  try {
    const onBytes = (name: string, bytes: Uint8Array): void => {
      for (let at = 0; at < bytes.byteLength; ) at += writeSync(opened(name), bytes, at);
    };
    const { files } = readArchive(file, { kind: backupKind, names: backupNames, onBytes });
    // Of an empty one no bytes came.
    for (const { name } of files) opened(name);
  } finally {
    for (const descriptor of descriptors.values()) closeSync(descriptor);
  }
}

/** Whoever has the grid's key is its broker: it must be that of the backup. */
function takeKeys({ grid, withKeys, file }: BackupDocument, keys: string, draft: string): void {
  if (withKeys && keys !== '') throw refused(`${file} has its keys: leave out --keys`);
  if (!withKeys && keys === '')
    throw refused(`${file} was made without keys: name the folder that has them (--keys /safe/keys)`);
  const folder = join(draft, 'keys');
  if (!withKeys) {
    mkdirSync(folder, { recursive: true, mode: 0o700 });
    for (const name of readdirSync(keys)) {
      if (backupNames.test(`keys/${name}`) && !existsSync(join(folder, name)))
        copyFileSync(join(keys, name), join(folder, name));
    }
  }
  const found = gridOf(join(folder, 'grid.json'));
  if (found !== grid)
    throw refused(`the keys are of ${found || 'no grid'}, and the backup is of ${grid}: another grid`);
}

function gridOf(path: string): string {
  if (!existsSync(path)) return '';
  const parsed = parseJson(readFileSync(path, 'utf8')) as { signing?: { public?: unknown } } | undefined;
  const key = parsed?.signing?.public;
  return typeof key === 'string' ? gridIdOf(key) : '';
}

/** Opens the journal once, as a broker does, and makes it one that goes on from here. */
function settle(dir: string, wallMs: number): Pick<RestoreDocument, 'epoch' | 'nextTask' | 'unfinished'> {
  writeEpochFile(dir, Math.max(readEpochFile(dir) + leastJump, Math.floor(wallMs / 1000)));
  const { store, path, findings } = openStore({
    dir,
    settings: journalSettings,
    program: productVersion,
    wallMs,
  });
  try {
    const [wrong] = findings;
    if (wrong !== undefined) throw new JournalError('damaged', wrong.what);
    const { state } = replayed(path, dir, store.epoch as Epoch);
    const broken = brokenInvariants(state);
    if (broken.length > 0) throw new JournalError('damaged', broken.join('; '));
    const since2026 = Math.max(0, wallMs - Date.UTC(2026, 0, 1));
    const nextTask = Math.max(
      state.nextTask + leastTaskJump,
      Math.floor(since2026 / 60_000) * tasksPerMinute + 1,
    );
    store.append(encodeDecisions([[decided.restored, nextTask as TaskId, wallMs]]), []);
    return { epoch: store.epoch + 1, nextTask, unfinished: state.tasks.size };
  } finally {
    store.close();
  }
}

function replayed(path: string, dir: string, epoch: Epoch): ReturnType<typeof replay> {
  const db = openForReading(path, journalSettings);
  try {
    return replay(db, dir, epoch);
  } finally {
    closeReader(db);
  }
}

function refused(words: string): GridError {
  return new GridError(failure('rejected.state', words));
}
