import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { readDisks, readMemory } from './machine-readings.ts';

let folder: string;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'gg-readings-'));
});
afterEach(() => rm(folder, { recursive: true }));

const meminfo = 'MemTotal:       24684096 kB\nMemFree:        22576176 kB\nMemAvailable:   24030032 kB\n';
const pressure =
  'some avg10=12.50 avg60=0.00 avg300=0.00 total=107486\nfull avg10=3.25 avg60=0.00 avg300=0.00 total=9882\n';

it('reads memory, and stalls where the kernel tells them', async () => {
  await writeFile(join(folder, 'meminfo'), meminfo);
  const amounts = { availableBytes: 24_030_032 * 1024, totalBytes: 24_684_096 * 1024 };
  expect(await readMemory(folder)).toEqual({ ...amounts, stalledPercent: undefined });
  await mkdir(join(folder, 'pressure'));
  await writeFile(join(folder, 'pressure', 'memory'), pressure);
  expect(await readMemory(folder)).toEqual({ ...amounts, stalledPercent: 3.25 });
  await writeFile(join(folder, 'meminfo'), 'something else');
  expect(await readMemory(folder)).toBeUndefined();
});

it('reads the memory of this machine', async () => {
  const { availableBytes = 0, totalBytes = 0 } = (await readMemory()) ?? {};
  expect(availableBytes).toBeGreaterThan(0);
  expect(availableBytes).toBeLessThan(totalBytes);
});

it('tells one disk once, and leaves out that of an engine that is not here', async () => {
  const [home] = await readDisks(folder, null);
  expect(home).toMatchObject({ path: folder, stops: 'everything' });
  expect(home?.freeBytes).toBeLessThanOrEqual(home?.totalBytes ?? 0);
  expect(await readDisks(folder, tmpdir())).toHaveLength(1);
  expect(await readDisks(folder, join(folder, 'none'))).toHaveLength(1);
  // /proc is another file system everywhere.
  expect(await readDisks(folder, '/proc')).toMatchObject([
    { stops: 'everything' },
    { path: '/proc', stops: 'containers' },
  ]);
});
