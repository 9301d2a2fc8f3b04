import { join } from 'node:path';
import { expect, it } from 'vitest';
import { scratchFolder } from '../scratch.fixture.ts';
import { begun, mebi, noise, scannedFile, Time } from './store.fixture.ts';
import { ArtifactStore } from './store.ts';

const spareBytes = 256 * mebi;

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
