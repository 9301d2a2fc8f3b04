import { readdirSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { scratchFolder } from '../scratch.fixture.ts';
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
