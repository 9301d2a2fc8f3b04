import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type Config, reachable } from '@gryphgen/runtime';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { dataPlace } from './data-place.ts';

/** No resolver is asked for it. */
const noName = 'no..name';
let home: string;

beforeAll(() => {
  home = mkdtempSync(join(tmpdir(), 'gg-data-place-'));
});
afterAll(() => rmSync(home, { recursive: true }));

const placeOf = (broker: readonly string[], listen: readonly string[] = []) =>
  dataPlace({ home, broker, listen } as Config);

it('of a grid on this machine alone is a socket', async () => {
  expect(await placeOf(['ipc:///run/broker.sock'])).toMatch(/^ipc:.*worker-data\.sock$/);
  expect(await placeOf(['tcp://127.0.0.1:7070'])).toMatch(/^ipc:/);
});

it('of a broker elsewhere that cannot be found is where others find this machine', async () => {
  const [first] = reachable('tcp://0.0.0.0:*');
  const place = await placeOf([`tcp://${noName}:7070`]);
  if (first === undefined) expect(place).toMatch(/^ipc:/);
  else expect(place).toBe(first);
});

it('beside a broker that listens for others is at its address', async () => {
  expect(await placeOf(['ipc:///run/broker.sock'], ['tcp://10.9.8.7:7070'])).toBe('tcp://10.9.8.7:*');
});
