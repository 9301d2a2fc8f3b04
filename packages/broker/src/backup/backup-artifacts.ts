/**
 * The files of tasks in backups: a folder that many backups share, since what they have in common is the same file there.
 *
 *   artifacts/, files/   as in a store (runtime/artifacts/store.ts)
 *   lists/SHA256         the artifacts of one backup, a digest in a line; named by its own sha-256, which the backup tells
 *
 * 1. A list is there when all that it names is. What no list names any more goes with the next backup: who deletes a backup
 *    deletes its list.
 * 2. The journal is copied first: what its unfinished tasks are given is held beside the broker while they are unfinished.
 *    Where one has ended and its input has gone before it was copied, the journal is copied again.
 */
import { hash, randomBytes } from 'node:crypto';
import { existsSync } from 'node:fs';
import { mkdir, readFile, rename, rm, writeFile } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { type Epoch, failure, GridError } from '@gryphgen/protocol';
import { checkStore, copyStore, isMissing, namesIn, pruneCopy, type StoreCopy } from '@gryphgen/runtime';
import { lockFolder } from '@gryphgen/runtime/folder-lock';
import { replay } from '../fsck/replay.ts';
import { closeReader, openForReading } from '../journal/database.ts';
import { generationsIn, journalPath } from '../journal/journal-files.ts';
import { journalSettings } from '../journal/settings.ts';
import type { ArtifactsLeftOut, BackupArtifacts } from './backup-file.ts';

export interface ArtifactsOrder {
  readonly folder: string;
  readonly signal: AbortSignal;
  /** In all, so far. */
  readonly onCopied: (bytes: number) => void;
}

const listPattern = /^[0-9a-f]{64}$/;
const digestPattern = /^sha256:[0-9a-f]{64}$/;

/** One backup at a time, or restore, has the folder. Rejects with GridError, in words, and with what the file system says. */
export async function withFolder<T>(folder: string, home: string, work: () => Promise<T>): Promise<T> {
  if (resolve(folder) === resolve(join(home, 'artifacts')))
    throw refused(`${folder} is the broker's own store: choose another folder`);
  const taken = lockFolder(folder, 'backup', `grid, pid ${process.pid}`);
  if ('heldBy' in taken) throw refused(`${folder} is in use by ${taken.heldBy}: wait for its end`);
  try {
    return await work();
  } catch (error) {
    if (error instanceof Error && 'code' in error && (error.code === 'ENOSPC' || error.code === 'EDQUOT'))
      throw refused(`there is no room in ${folder}: what has come stays there, and is gone on with`);
    throw error;
  } finally {
    taken.lock.release();
  }
}

/** What its unfinished tasks are given. `dir`: a copy of a journal. */
export function neededBy(dir: string, epoch: number): ReadonlySet<string> {
  const newest = generationsIn(dir).at(-1);
  if (newest === undefined) return new Set();
  const db = openForReading(journalPath(dir, newest), journalSettings);
  try {
    const { state } = replay(db, dir, epoch as Epoch);
    const inputs = [...state.tasks.values()].flatMap(({ spec }) => spec.envelope.inputs ?? []);
    return new Set(inputs.map(({ digest }) => digest));
  } finally {
    closeReader(db);
  }
}

export async function copyArtifacts(home: string, order: ArtifactsOrder): Promise<StoreCopy> {
  let before = 0;
  const onCopied = (bytes: number): void => {
    before += bytes;
    order.onCopied(before);
  };
  return await copyStore(join(home, 'artifacts'), order.folder, { signal: order.signal, onCopied });
}

/** What was copied is one backup's from now on; what is no backup's goes. */
export async function listArtifacts(folder: string, { digests, bytes }: StoreCopy): Promise<BackupArtifacts> {
  const text = digests
    .toSorted()
    .map((digest) => `${digest}\n`)
    .join('');
  const list = hash('sha256', text);
  await mkdir(join(folder, 'lists'), { recursive: true, mode: 0o700 });
  const path = join(folder, 'lists', list);
  const draft = `${path}.${randomBytes(6).toString('hex')}.tmp`;
  await writeFile(draft, text, { mode: 0o600, flush: true });
  await rename(draft, path);
  const kept = new Set<string>();
  for (const name of await namesIn(join(folder, 'lists'))) {
    // A draft that a crash left.
    if (name.endsWith('.tmp')) await rm(join(folder, 'lists', name), { force: true });
    else if (listPattern.test(name)) for (const digest of await readList(folder, name)) kept.add(digest);
  }
  await pruneCopy(folder, kept);
  return { list, count: digests.length, bytes };
}

/** Into a folder that becomes a store. */
export async function takeArtifacts(
  { list }: BackupArtifacts,
  to: string,
  { folder, signal, onCopied }: ArtifactsOrder,
): Promise<ArtifactsLeftOut> {
  const wanted = await readList(folder, list);
  let done = 0;
  const taken = await copyStore(folder, to, {
    only: new Set(wanted),
    signal,
    onCopied: (bytes) => {
      done += bytes;
      onCopied(done);
    },
  });
  return leftOut(taken, wanted);
}

/** Whether a restore would have them all. */
export async function verifyArtifacts(
  { list }: BackupArtifacts,
  { folder, signal, onCopied }: ArtifactsOrder,
): Promise<ArtifactsLeftOut> {
  const wanted = await readList(folder, list);
  const ours = new Set(wanted);
  const damaged: StoreCopy['damaged'][number][] = [];
  await checkStore(folder, {
    signal,
    onRead: onCopied,
    onBad: (bad) => {
      if (ours.has(bad.digest)) damaged.push(bad);
    },
  });
  const here = new Set((await namesIn(join(folder, 'artifacts'))).map((name) => `sha256:${name}`));
  return leftOut({ digests: wanted.filter((digest) => here.has(digest)), bytes: 0, damaged }, wanted);
}

/** `wanted`: what was to be copied. */
export function leftOut({ digests, damaged }: StoreCopy, wanted: Iterable<string>): ArtifactsLeftOut {
  const known = new Set([...digests, ...damaged.map(({ digest }) => digest)]);
  const lacking = [...wanted].filter((digest) => !known.has(digest));
  const [first] = damaged;
  return {
    damaged: damaged.length,
    firstDamaged: first === undefined ? '' : `${first.digest}: ${first.what}`,
    lacking: lacking.length,
    firstLacking: lacking[0] ?? '',
  };
}

async function readList(folder: string, name: string): Promise<readonly string[]> {
  const path = join(folder, 'lists', name);
  const text = await readFile(path, 'utf8').catch((error: unknown) => {
    if (!isMissing(error)) throw error;
    const words = existsSync(folder) ? 'it is another folder, or the list was deleted' : 'there is none';
    throw refused(`${path} is the list of this backup's files, and is not there: ${words}`);
  });
  const digests = text.split('\n').slice(0, -1);
  if (hash('sha256', text) === name && digests.every((digest) => digestPattern.test(digest))) return digests;
  throw new GridError(
    failure(
      'rejected.invalid',
      `${path} is damaged: it has another sha-256 than its name; delete it, and its backup is one without files`,
    ),
  );
}

function refused(words: string): GridError {
  return new GridError(failure('rejected.state', words));
}
