/** A home as a broker leaves it: keys, and a journal with two snapshots, finished tasks, unfinished ones with their bodies. */
import { createHash } from 'node:crypto';
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type {
  AttemptNo,
  BlobHash,
  ClientId,
  Envelope,
  PrincipalId,
  TaskId,
  WorkerId,
} from '@gryphgen/protocol';
import { envelopeDefaults, productVersion } from '@gryphgen/protocol';
import { AuthorizedKeys, loadIdentity } from '@gryphgen/runtime';
import type { Decision } from '../core/record/decisions.ts';
import * as fold from '../fold.ts';
import { FoldOperations } from '../journal/fold-operations.ts';
import type { Folder } from '../journal/folder.ts';
import { openStore } from '../journal/open-store.ts';
import { journalSettings } from '../journal/settings.ts';
import { encodeDecisions } from '../records.ts';

/** Tasks 1 to 30, each in a group of its own; those up to `endedUpTo` have ended in a group more. */
export const tasks = 30;
export const endedUpTo = 20;
/** Commits: 1 names the worker; then one accepts, and one ends, each task. */
export const olderSnapshot = 21;
export const newerSnapshot = 41;
export const commits = 1 + tasks + endedUpTo;

const worker = 'w-0123456789abcdef' as WorkerId;
const envelope: Envelope = { ...envelopeDefaults, kind: 'noop' };
const envelopeHash = 'e'.repeat(64) as BlobHash;
const bodyOf = (task: number) => Buffer.from(`the command of task ${task}`);
export const bodyHash = (task: number) => createHash('sha256').update(bodyOf(task)).digest();

const accepted = (task: number): Decision[] => [
  [0, envelopeHash, envelope, 'shape'],
  [
    1,
    task as TaskId,
    envelopeHash,
    bodyHash(task).toString('hex') as BlobHash,
    'p-1' as PrincipalId,
    'c1' as ClientId,
    task,
    1,
    '',
    task,
  ],
];
const ended = (task: number): Decision[] => [
  [2, task as TaskId, 1 as AttemptNo, worker, [], task],
  [3, task as TaskId, 1 as AttemptNo, 0, 0, '', '', task, task, null],
];

export function makeHome(home: string): void {
  const dir = join(home, 'journal');
  mkdirSync(dir, { recursive: true, mode: 0o700 });
  for (const name of ['grid', 'broker', 'admin']) loadIdentity(home, name);
  const { key, curve } = loadIdentity(home, 'admin');
  new AuthorizedKeys(home).add({ key, curveKey: curve.publicKey, role: 'admin', name: 'admin', addedAt: 1 });
  writeFileSync(join(home, 'config.json'), '{"name":"forge"}\n');
  const { store, path } = openStore({ dir, settings: journalSettings, program: productVersion, wallMs: 0 });
  const append = (decisions: readonly Decision[], bodies: readonly number[] = []) =>
    store.append(
      encodeDecisions(decisions),
      bodies.map((task) => ({ hash: bodyHash(task), bytes: bodyOf(task) })),
    );
  append([[6, worker, 'forge', 1]]);
  for (let task = 1; task <= tasks; task += 1) {
    append(accepted(task), [task]);
    if (task <= endedUpTo) append(ended(task));
  }
  const folding = new FoldOperations(
    {
      dir,
      path,
      folder: '',
      settings: journalSettings,
      snapshotSeq: 0,
      head: commits,
      wallMs: 1,
      damagedHistory: null,
    },
    fold as Folder<unknown>,
  );
  for (const seq of [olderSnapshot, newerSnapshot]) {
    folding.advance(seq);
    const { older } = folding.snapshot();
    if (older !== null) store.compact(older.seq, { rows: 1000, bytes: 1e9 });
  }
  folding.advance(commits);
  folding.close();
  store.close();
}
