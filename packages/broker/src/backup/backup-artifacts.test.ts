/** Backups with the files of tasks: of a real journal and a real store, restored, and what is damaged or gone meanwhile. */
import { createHash } from 'node:crypto';
import {
  chmodSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  truncateSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import {
  type BlobHash,
  type ClientId,
  envelopeDefaults,
  type PrincipalId,
  type TaskId,
} from '@gryphgen/protocol';
import { ArtifactStore, scanPath, systemClock, takeScanned } from '@gryphgen/runtime';
import { lockFolder } from '@gryphgen/runtime/folder-lock';
import { afterAll, beforeAll, beforeEach, expect, it } from 'vitest';
import { checkArtifacts } from '../fsck/check-artifacts.ts';
import { checkStoppedHome } from '../fsck/check-home.ts';
import { makeHome, tasks } from '../fsck/home.fixture.ts';
import { openStore } from '../journal/open-store.ts';
import { journalSettings } from '../journal/settings.ts';
import { encodeDecisions } from '../records.ts';
import { type ArtifactsOrder, verifyArtifacts } from './backup-artifacts.ts';
import { artifactsOf, readBackup, restore, restoreWithArtifacts } from './restore.ts';
import { writeBackup } from './write-backup.ts';

const mebi = 1024 * 1024;
const wallMs = Date.UTC(2026, 10, 22);
let scratch: string;
let home: string;
/** Of tasks that ended, but for the last, which one waits for that has not. */
const digests: string[] = [];
/** Empty before each test. */
let place: string;

beforeAll(async () => {
  scratch = mkdtempSync(join(tmpdir(), 'gg-keep-'));
  home = join(scratch, 'home');
  makeHome(home);
  const store = await storeOf(home);
  writeFileSync(join(scratch, 'sparse'), 'begin');
  truncateSync(join(scratch, 'sparse'), 9 * mebi);
  mkdirSync(join(scratch, 'folder'));
  writeFileSync(join(scratch, 'folder', 'tool'), 'shared', { mode: 0o755 });
  writeFileSync(join(scratch, 'folder', 'empty'), '');
  writeFileSync(join(scratch, 'input'), 'what a task waits for');
  for (const name of ['sparse', 'folder', 'input']) digests.push(await keep(store, join(scratch, name)));
  givenTo(tasks + 1, digests.at(-1) ?? '');
});
afterAll(() => rmSync(scratch, { recursive: true }));
beforeEach(() => {
  place = mkdtempSync(join(scratch, 'test-'));
});

const storeOf = (of: string) =>
  ArtifactStore.open({
    ...{ folder: join(of, 'artifacts'), budgetBytes: 64 * mebi, clock: systemClock },
    held: () => new Set(),
  });

async function keep(store: ArtifactStore, path: string): Promise<string> {
  const found = await scanPath(path);
  if ('code' in found) throw new Error(found.message);
  expect(await takeScanned(store, found)).toBe(null);
  return found.manifest.digest;
}

/** A task more, which waits. */
function givenTo(task: number, digest: string): void {
  const dir = join(home, 'journal');
  const { store } = openStore({ dir, settings: journalSettings, program: '0.1.0', wallMs: 0 });
  const envelopeHash = String(task).padStart(64, 'a') as BlobHash;
  const envelope = {
    ...envelopeDefaults,
    kind: 'noop' as const,
    inputs: [{ digest, bytes: 21, to: '/in/input' }],
  };
  const bytes = Buffer.from(`the command of task ${task}`);
  const hash = createHash('sha256').update(bytes).digest();
  const body = hash.toString('hex') as BlobHash;
  const [id, by, client] = [task as TaskId, 'p-1' as PrincipalId, 'c1' as ClientId];
  const accepted = [1, id, envelopeHash, body, by, client, task, 1, '', task] as const;
  store.append(encodeDecisions([[0, envelopeHash, envelope, 'shape'], accepted]), [{ hash, bytes }]);
  store.close();
}

const order = (folder = join(place, 'files')): ArtifactsOrder => ({
  folder,
  signal: new AbortController().signal,
  onCopied: () => undefined,
});
const backup = (name: string, artifacts = order()) =>
  writeBackup({ home, file: join(place, name), withKeys: true, wallMs, artifacts });
const restored = (file: string, artifacts = order()) =>
  restoreWithArtifacts({ file, home: join(place, 'new'), keys: '', wallMs }, artifacts);
const sound = { damaged: 0, firstDamaged: '', lacking: 0, firstLacking: '' };

function spoil(folder: string, text: string): void {
  const files = join(folder, 'files');
  const [id = ''] = readdirSync(files).filter((name) => readFileSync(join(files, name), 'utf8') === text);
  chmodSync(join(files, id), 0o600);
  writeFileSync(join(files, id), text.replace(/.$/, '!'));
}

it('has them all, holes as holes, and a home that is made of it has them again', async () => {
  const made = await backup('a.tar');
  expect(made).toMatchObject({ artifacts: { count: 3 }, leftOut: sound });
  const told = await restored(made.file);
  expect(told.leftOut).toEqual(sound);
  expect(checkStoppedHome(told.home).findings).toEqual([]);
  const nothing = { putAside: false, wallMs, signal: order().signal, onRead: () => undefined };
  const { facts, findings } = await checkArtifacts({ home: told.home, ...nothing });
  expect([facts.artifacts, findings]).toEqual([3, []]);
  const store = await storeOf(told.home);
  expect(digests.map((digest) => store.has(digest))).toEqual([true, true, true]);
  const sparse = statSync((await store.path(digests[0] ?? '')) ?? '');
  expect([sparse.size, sparse.blocks * 512 < 6 * mebi]).toEqual([9 * mebi, true]);
  const folder = (await store.path(digests[1] ?? '')) ?? '';
  expect(statSync(join(folder, 'tool')).mode & 0o111).toBe(0o111);
  expect(await verifyArtifacts(artifactsOf(readBackup(made.file)), order())).toEqual(sound);
});

it('copies nothing twice, goes on where it was cut, and lets go of what no list names', async () => {
  const cut = new AbortController();
  const stopping = { ...order(), signal: cut.signal, onCopied: () => cut.abort(new Error('enough')) };
  await expect(backup('a.tar', stopping)).rejects.toThrow('enough');
  expect(readdirSync(place)).toEqual(['files']);
  const first = await backup('a.tar');
  const files = () => readdirSync(join(place, 'files', 'files'));
  const inodes = () => files().map((name) => statSync(join(place, 'files', 'files', name)).ino);
  const before = inodes();
  let copied = 0;
  const second = await backup('b.tar', { ...order(), onCopied: (bytes) => (copied = bytes) });
  expect([inodes(), copied, second.artifacts?.list]).toEqual([before, 0, first.artifacts?.list]);
  const other = join(scratch, 'more');
  writeFileSync(other, 'brought since');
  await keep(await storeOf(home), other);
  const third = await backup('c.tar');
  expect(third.artifacts?.count).toBe(4);
  expect(readdirSync(join(place, 'files', 'lists'))).toHaveLength(2);
  rmSync(join(place, 'files', 'lists', third.artifacts?.list ?? ''));
  const added = (await scanPath(other)) as { manifest: { digest: string } };
  rmSync(join(home, 'artifacts', 'artifacts', added.manifest.digest.replace('sha256:', '')));
  await storeOf(home);
  await backup('d.tar');
  expect(files()).toHaveLength(before.length);
  await expect(restored(third.file)).rejects.toThrow('is not there');
  expect((await restored(first.file)).leftOut).toEqual(sound);
});

it('leaves out what is damaged, here or in the folder, and tells it; what an unfinished task lacks is told too', async () => {
  const copy = join(place, 'home');
  const made = await backup('a.tar');
  const whole = restore({ file: made.file, home: copy, keys: '', wallMs });
  expect(existsSync(join(whole.home, 'artifacts'))).toBe(false);
  const without = await writeBackup({
    ...{ home: copy, file: join(place, 'b.tar'), withKeys: true, wallMs },
    artifacts: order(join(place, 'other')),
  });
  expect(without.leftOut).toEqual({ ...sound, lacking: 1, firstLacking: digests.at(-1) });
  const folder = join(place, 'files');
  spoil(folder, 'shared');
  const wrong = { damaged: 1, firstDamaged: expect.stringContaining(digests[1] ?? ''), lacking: 0 };
  expect(await verifyArtifacts(artifactsOf(readBackup(made.file)), order())).toMatchObject(wrong);
  const told = await restored(made.file);
  expect(told.leftOut).toMatchObject(wrong);
  const store = await storeOf(told.home);
  expect(digests.map((digest) => store.has(digest))).toEqual([true, false, true]);
  spoil(join(told.home, 'artifacts'), 'what a task waits for');
  const again = await writeBackup({
    ...{ home: told.home, file: join(place, 'c.tar'), withKeys: true, wallMs },
    artifacts: order(join(place, 'third')),
  });
  expect(again).toMatchObject({ artifacts: { count: 1 }, leftOut: { damaged: 1, lacking: 0 } });
});

it('refuses what cannot be: its own store, a folder in use, a list that was changed, a backup without files', async () => {
  await expect(backup('a.tar', order(join(home, 'artifacts')))).rejects.toThrow("broker's own store");
  const taken = lockFolder(join(place, 'files'), 'backup', 'grid, pid 1');
  await expect(backup('a.tar')).rejects.toThrow('in use by grid, pid 1');
  if ('lock' in taken) taken.lock.release();
  const made = await backup('a.tar');
  const list = join(place, 'files', 'lists', made.artifacts?.list ?? '');
  writeFileSync(list, readFileSync(list, 'utf8').replace('sha256:', 'sha256;'));
  await expect(restored(made.file)).rejects.toMatchObject({ code: 'rejected.invalid' });
  const plain = await writeBackup({ home, file: join(place, 'plain.tar'), withKeys: true, wallMs });
  expect(plain.leftOut).toBe(null);
  await expect(restored(plain.file)).rejects.toThrow('without the files of tasks');
  await expect(restored(made.file, order(join(place, 'nowhere')))).rejects.toThrow('no such folder');
  expect(readdirSync(place).sort()).toEqual(['a.tar', 'files', 'plain.tar']);
});
