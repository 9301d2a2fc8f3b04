import { mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { PrincipalId } from '@gryphgen/protocol';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { ApiKeys, createApiKey, listApiKeys, revokeApiKey } from './api-keys.ts';
import { systemRandom } from './random.ts';

let home: string;
beforeEach(() => {
  home = mkdtempSync(join(tmpdir(), 'gg-api-keys-'));
});
afterEach(() => rmSync(home, { recursive: true }));

const wish = {
  name: 'laptop',
  principal: 'p-0123456789abcdef' as PrincipalId,
  role: 'submitter' as const,
  scopes: ['infer' as const],
  createdAt: 1,
};
const file = () => join(home, 'keys', 'api-keys.json');

it('are told once and kept as a hash, in a file of their owner alone', async () => {
  const { id, key } = await createApiKey(home, wish, systemRandom);
  expect(key).toMatch(/^gg-[\w-]{43}$/);
  expect(readFileSync(file(), 'utf8')).not.toContain(key.slice(3));
  expect(statSync(file()).mode & 0o777).toBe(0o600);
  expect(new ApiKeys(home).find(key)).toMatchObject({ ...wish, id });
});

it('are refused as soon as they are revoked, and known as soon as they are made', async () => {
  const keys = new ApiKeys(home);
  expect(keys.isEmpty).toBe(true);
  const [one, two] = [
    await createApiKey(home, wish, systemRandom),
    await createApiKey(home, wish, systemRandom),
  ];
  expect(keys.find(one.key)?.id).toBe(one.id);
  await revokeApiKey(home, one.id);
  expect(keys.find(one.key)).toBeUndefined();
  expect(keys.find(two.key)?.id).toBe(two.id);
  expect(keys.find('gg-nothing')).toBeUndefined();
  await expect(revokeApiKey(home, one.id)).rejects.toThrow(`no key has the id ${one.id}`);
});

it('lose none when many are made at once', async () => {
  await Promise.all(Array.from({ length: 8 }, () => createApiKey(home, wish, systemRandom)));
  expect(listApiKeys(home)).toHaveLength(8);
});

it('of a damaged file are nobody’s, in words', async () => {
  const { key } = await createApiKey(home, wish, systemRandom);
  const keys = new ApiKeys(home);
  writeFileSync(file(), '{"version":1,"keys":[{}]}');
  expect(() => keys.find(key)).toThrow(`${file()}: `);
});
