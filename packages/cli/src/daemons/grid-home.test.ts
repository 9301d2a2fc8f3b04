import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { loadIdentity } from '@gryphgen/runtime';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { prepareHome } from './grid-home.ts';

let home: string;

beforeEach(() => {
  home = mkdtempSync(join(tmpdir(), 'gg-home-'));
});
afterEach(() => rmSync(home, { recursive: true, force: true }));

it('admits this machine once: one that was removed stays out, however often the broker starts, until it has a new key', async () => {
  const { authorized } = prepareHome(home, 1);
  const { key } = loadIdentity(home, 'worker');
  expect(authorized.find(key)?.role).toBe('worker');
  await authorized.revoke(key);
  expect(prepareHome(home, 2).authorized.find(key)).toBeUndefined();
  rmSync(join(home, 'keys', 'worker.json'));
  const again = prepareHome(home, 3).authorized;
  expect(again.find(loadIdentity(home, 'worker').key)?.role).toBe('worker');
  expect(again.isRevoked(key)).toBe(true);
});
