/** What each may have in a real store: by hand, and over a data endpoint. */
import { existsSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { beforeEach, expect, it } from 'vitest';
import { ArtifactOwners } from './owners.ts';
import type { Scanned } from './scan-path.ts';
import { begun, bring, mebi, noise, type Place, place, scannedFile } from './store.fixture.ts';
import type { ArtifactStore } from './store.ts';

const [anna, bert] = ['p-000000000000000a', 'p-000000000000000b'];
const limit = 3 * mebi;
let at: Place;
let store: ArtifactStore;
let owners: ArtifactOwners;

const opened = (): Promise<ArtifactOwners> =>
  ArtifactOwners.open({
    folder: at.folder,
    store,
    held: () => at.held,
    mostBytes: (owner) => (owner === anna ? limit : undefined),
  });

beforeEach(async () => {
  at = place();
  store = await at.open();
  owners = await opened();
});

/** A megabyte and its manifest. */
const file = (seed: number, bytes = mebi) => scannedFile(noise(bytes, seed));

async function give(owner: string, what: Scanned) {
  const why = await owners.admit(owner, what.manifest);
  if (why === null && !store.has(what.manifest.digest)) await bring(store, what);
  owners.settle(owner, what.manifest.digest);
  at.time.now += 61_000;
  return why;
}

const has = (...all: Scanned[]) => all.map(({ manifest }) => store.has(manifest.digest));

it('lets go of what was used longest ago, and of nothing that is held; then it refuses, with the numbers', async () => {
  const [one, two, three] = [await file(1), await file(2), await file(3)];
  for (const each of [one, two, three]) await give(anna, each);
  expect(has(one, two, three)).toEqual([false, true, true]);
  const held = [two, three].map(({ manifest }) => manifest.digest);
  for (const digest of held) at.held.add(digest);
  const why = await give(anna, one);
  expect(why).toMatchObject({ code: 'rejected.limit' });
  expect(why?.message).toMatch(/^p-000000000000000a may keep 3 MiB .*: 2 MiB are kept that .* takes 1 MiB$/);
  at.held.delete(held[0] ?? '');
  expect(await give(anna, one)).toBe(null);
  expect(has(one, two, three)).toEqual([true, false, true]);
  expect((await owners.admit(anna, (await file(4, 4 * mebi)).manifest))?.message).toContain(
    'this takes 4 MiB alone',
  );
  // Nobody else is bounded by it.
  for (const seed of [5, 6, 7, 8]) expect(await give(bert, await file(seed))).toBe(null);
});

it('counts what two have for both, and takes it from one alone', async () => {
  const shared = await file(1);
  await give(anna, shared);
  await give(bert, shared);
  const { [anna]: ofAnna = 0, [bert]: ofBert = 0 } = owners.stored;
  expect([ofAnna > mebi, ofAnna]).toEqual([true, ofBert]);
  for (const seed of [2, 3]) await give(anna, await file(seed));
  expect(store.has(shared.manifest.digest)).toBe(true);
  expect(owners.stored[bert]).toBe(ofBert);
  expect(readdirSync(join(at.folder, 'owners', anna))).toHaveLength(2);
});

it('counts what comes at once once, what did not come not, and the same after a restart', async () => {
  const [one, two] = [await file(1, 2 * mebi), await file(2, 2 * mebi)];
  expect(await owners.admit(anna, one.manifest)).toBe(null);
  const intake = await begun(store, one.manifest);
  expect(await owners.admit(anna, two.manifest)).toMatchObject({ code: 'rejected.limit' });
  await intake.abandon();
  owners.settle(anna, one.manifest.digest);
  expect(owners.stored).toEqual({});
  expect(await give(anna, two)).toBe(null);
  const before = owners.stored;
  owners = await opened();
  expect([owners.stored, Object.keys(before)]).toEqual([before, [anna]]);
  at.time.now += 61_000;
  await store.letGo(two.manifest.digest);
  owners = await opened();
  expect(owners.stored).toEqual({});
  expect(existsSync(join(at.folder, 'owners', anna, two.manifest.digest.slice(7)))).toBe(false);
});
