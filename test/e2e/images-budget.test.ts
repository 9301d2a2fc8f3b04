/** Images go when those the grid has pulled take more than they may: never one in use, never one that it has not pulled. */
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, beforeEach, expect, it } from 'vitest';
import { createImageStore, docker } from './executor-container-place.ts';
import { freshImage, hasImage, ImagePlace, imageIds, removeImagesOf } from './images-place.ts';
import { TestRegistry } from './registry.fixture.ts';

const MiB = 1024 * 1024;

let before: readonly string[];
let registry: TestRegistry;
/** As of a worker: it outlives the executors. */
let home: string;
let here: ImagePlace | undefined;

beforeAll(async () => {
  before = await imageIds();
  registry = await TestRegistry.start();
});

afterAll(async () => {
  await registry.stop();
  expect(await imageIds()).toEqual(before);
});

beforeEach(async () => {
  home = await mkdtemp(join(tmpdir(), 'gg-home-'));
});

afterEach(async () => {
  await here?.close();
  here = undefined;
  await removeImagesOf(registry.host);
  await rm(home, { recursive: true });
});

/** A worker with much room pulls and runs these. */
async function run(...images: readonly string[]): Promise<void> {
  here = await ImagePlace.open({ settings: { budgetBytes: 1024 * MiB } }, home);
  for (const image of images) expect(await here.run(image, { pull: 'always' })).toContain('it runs');
  await here.close();
  here = undefined;
}

/** What the same worker does, now and then, when it may keep so much; nothing is too fresh. */
async function collect(budgetBytes: number): Promise<void> {
  const images = createImageStore(home, { settings: { budgetBytes }, restMs: 0 });
  await images.look();
  await images.close();
}

async function pushed(name: string): Promise<string> {
  await registry.push(name, '1', freshImage({ bytes: 4 * MiB }));
  return `${registry.host}/${name}:1`;
}

const present = (...images: readonly string[]) => Promise.all(images.map(hasImage));

it('removes the least recently used that it has pulled, also over a restart, and leaves what others have', async () => {
  const [theirs, a, b, c] = [await pushed('theirs'), await pushed('a'), await pushed('b'), await pushed('c')];
  for await (const _ of await docker.pull(theirs));
  await run(a, theirs, b);
  await run(a, c);
  // Each has about 6 MB: two fit.
  await collect(14 * MiB);
  expect(await present(theirs, a, b, c)).toEqual([true, true, false, true]);
  await collect(0);
  expect(await present(theirs, a, b, c)).toEqual([true, false, false, false]);
});

it('keeps what a container is made of, and what the owner has named', async () => {
  const [used, named, loose] = [await pushed('used'), await pushed('named'), await pushed('loose')];
  await run(used, named, loose);
  await docker.getImage(named).tag({ repo: `${registry.host}/mine`, tag: '7' });
  const container = await docker.createContainer({ Image: used });
  await collect(0);
  await container.remove();
  expect(await present(used, named, loose)).toEqual([true, true, false]);
  await collect(0);
  expect(await present(used, named)).toEqual([false, true]);
});

it('begins its note anew when that makes no sense: what it knew is the owner’s from then on', async () => {
  const [old, fresh] = [await pushed('old'), await pushed('fresh')];
  await run(old);
  await writeFile(join(home, 'images.json'), '{"version":1,"ima');
  await run(fresh);
  await collect(0);
  expect(await present(old, fresh)).toEqual([true, false]);
});
