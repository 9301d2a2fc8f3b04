import { existsSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createIdentity, type Ticket } from '@gryphgen/runtime';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { joinGrid } from './join.ts';
import { saveMembership } from './membership.ts';

let home: string;
beforeEach(() => {
  home = mkdtempSync(join(tmpdir(), 'gg-join-'));
});
afterEach(() => rmSync(home, { recursive: true }));

it('a home of another grid stays what it is', async () => {
  const ours = createIdentity();
  const theirs = createIdentity();
  const ticket: Ticket = {
    seed: Buffer.alloc(32).toString('base64url'),
    gridKey: theirs.key,
    brokerKey: theirs.key,
    brokerCurveKey: theirs.curve.publicKey,
    brokers: ['tcp://127.0.0.1:9'],
    role: 'worker',
    expiresAt: 1,
  };
  saveMembership(home, { gridKey: ours.key, brokerKey: ours.key, brokerCurveKey: ours.curve.publicKey });
  await expect(joinGrid(home, ticket, 'anvil')).rejects.toThrow(/belongs to grid g-.* already/);
  expect(existsSync(join(home, 'keys'))).toBe(false);
});
