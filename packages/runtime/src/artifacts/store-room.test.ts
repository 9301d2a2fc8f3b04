import { readdirSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { scratchFolder } from '../scratch.fixture.ts';
import { watchAge } from './age-watch.ts';
import { pieceBytes } from './manifest.ts';
import { Pieces } from './pieces.ts';
import { begun, bring, mebi, noise, place, scanned, scannedFile, Time } from './store.fixture.ts';
import { ArtifactStore } from './store.ts';

const spareBytes = 256 * mebi;

it('what is found to be here while others ask what is held does not go', async () => {
  const time = new Time();
  let meanwhile: () => Promise<unknown> = async () => undefined;
  const store = await ArtifactStore.open({
    folder: join(scratchFolder(), 'store'),
    budgetBytes: 10 * mebi,
    clock: time,
    held: async () => {
      await meanwhile();
      return new Set();
    },
  });
  const old = await scannedFile(noise(6 * mebi));
  const digest = await bring(store, old);
  time.now += 100_000;
  meanwhile = async () => expect(await store.begin(old.manifest)).toBe(null);
  const other = await scannedFile(noise(6 * mebi, 2));
  expect(await store.begin(other.manifest)).toMatchObject({ code: 'rejected.limit' });
  expect(store.has(digest)).toBe(true);
  time.now += 100_000;
  meanwhile = async () => undefined;
  await begun(store, other.manifest);
  expect(store.has(digest)).toBe(false);
});

it('what a full disk cut does not stay', async () => {
  const at = place();
  const store = await at.open();
  const root = scratchFolder();
  for (const seed of [1, 2]) writeFileSync(join(root, String(seed)), noise(pieceBytes, seed));
  const { manifest } = await scanned(root);
  const intake = await begun(store, manifest);
  expect(await intake.take(noise(pieceBytes))).toBe(null);
  const second = new Pieces(manifest).contentAt('2').id;
  const partial = join(at.folder, 'partial');
  symlinkSync('/dev/full', join(partial, readdirSync(partial)[0] ?? '', second));
  const why = await intake.take(noise(pieceBytes, 2));
  expect(why).toMatchObject({
    code: 'rejected.limit',
    message: expect.stringContaining('the disk of the store is full'),
  });
  await intake.abandon();
  expect(readdirSync(partial)).toEqual([]);
  expect(store.usedBytes).toBe(0);
});

it('what is free on the disk is promised once', async () => {
  let free = spareBytes + 11 * mebi;
  const store = await ArtifactStore.open({
    folder: join(scratchFolder(), 'store'),
    budgetBytes: 1024 * mebi,
    clock: new Time(),
    held: () => new Set(),
    freeBytes: async () => free,
  });
  const [first, second] = [await scannedFile(noise(6 * mebi)), await scannedFile(noise(6 * mebi, 2))];
  const intake = await begun(store, first.manifest);
  const noRoom = { code: 'rejected.limit', message: expect.stringContaining('the disk has no room') };
  expect(await store.begin(second.manifest)).toMatchObject(noRoom);
  // What is written is not free any more: it does not count a second time.
  expect(await intake.take(noise(6 * mebi))).toBe(null);
  free -= 6 * mebi;
  expect(await store.begin(second.manifest)).toMatchObject(noRoom);
  free += 2 * mebi;
  await (await begun(store, second.manifest)).abandon();
  await intake.abandon();
  free = spareBytes + 7 * mebi;
  await begun(store, second.manifest);
});

it('what nobody has used for as long as is said goes, looked at now and then; what is held or was used stays', async () => {
  const at = place();
  const store = await at.open();
  const [old, held, used] = await Promise.all([1, 2, 3].map((seed) => scannedFile(noise(mebi, seed))));
  const digests: string[] = [];
  for (const one of [old, held, used]) if (one !== undefined) digests.push(await bring(store, one));
  const [first = '', second = '', third = ''] = digests;
  at.held.add(second);
  // When it was used last is on the disk.
  await store.manifest(second);
  const looks: (() => void)[] = [];
  const ends: Promise<void>[] = [];
  const cancel = watchAge(
    {
      letGoUnused: (ms) => {
        const end = store.letGoUnused(ms);
        ends.push(end);
        return end;
      },
    },
    3600_000,
    {
      after: (_ms, run) => {
        looks.push(run);
        return () => void looks.splice(looks.indexOf(run), 1);
      },
    },
  );
  const here = async () => {
    await Promise.all(ends);
    return [first, second, third].map((digest) => store.has(digest));
  };
  expect(await here()).toEqual([true, true, true]);
  at.time.now += 3000_000;
  await store.manifest(third);
  at.time.now += 601_000;
  looks.shift()?.();
  expect(await here()).toEqual([false, true, true]);
  expect(store.collected).toBe(1);
  expect(readdirSync(join(at.folder, 'artifacts'))).toHaveLength(2);
  // Also over a restart, by when it was used last.
  const next = await at.open();
  at.held.clear();
  await next.letGoUnused(3600_000);
  expect([second, third].map((digest) => next.has(digest))).toEqual([false, true]);
  cancel();
  expect(looks).toEqual([]);
});
