/** The gateway's HTTP side before real llama-servers: what programs written for OpenAI's API see. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Gateway } from '@gryphgen/gateway';
import type { PrincipalId } from '@gryphgen/protocol';
import { ApiKeys, createApiKey, createLog, systemAlarms, systemClock, systemRandom } from '@gryphgen/runtime';
import { afterAll, beforeAll } from 'vitest';
import { LlamaDoor } from './llama-door.ts';
import { openaiSuite } from './openai-suite.ts';

const home = mkdtempSync(join(tmpdir(), 'gg-openai-'));
const door = new LlamaDoor();
const gateway = new Gateway({
  host: '127.0.0.1',
  port: 0,
  door,
  keys: new ApiKeys(home),
  clock: systemClock,
  alarms: systemAlarms,
  random: systemRandom,
  log: createLog({ daemon: 'gateway', level: 'silent' }),
});
let baseURL = '';
let apiKey = '';

beforeAll(async () => {
  await door.start(home);
  baseURL = `${await gateway.start()}/v1`;
  const principal = 'p-0123456789abcdef' as PrincipalId;
  const scopes = ['infer' as const, 'embed' as const, 'models' as const];
  const wish = { name: 'test', principal, role: 'submitter' as const, scopes, createdAt: 1 };
  ({ key: apiKey } = await createApiKey(home, wish, systemRandom));
});
afterAll(async () => {
  await gateway.stop();
  await door.stop();
  rmSync(home, { recursive: true });
});

openaiSuite(() => ({ baseURL, apiKey }));
