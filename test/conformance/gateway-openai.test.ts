/**
 * The gateway's HTTP side before real llama-servers: what programs written for OpenAI's API see. And the same through a second
 * gateway before a grid without models, to which the first is a provider.
 */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { FallbackDoor, Gateway, type GridDoor, Provider } from '@gryphgen/gateway';
import { failure, GridError, type PrincipalId } from '@gryphgen/protocol';
import { ApiKeys, createApiKey, createLog, systemAlarms, systemClock, systemRandom } from '@gryphgen/runtime';
import { afterAll, beforeAll, describe } from 'vitest';
import { LlamaDoor } from './llama-door.ts';
import { openaiSuite } from './openai-suite.ts';

const home = mkdtempSync(join(tmpdir(), 'gg-openai-'));
const door = new LlamaDoor();
const log = createLog({ daemon: 'gateway', level: 'silent' });
const gatewayBefore = (behind: GridDoor): Gateway =>
  new Gateway({
    host: '127.0.0.1',
    port: 0,
    door: behind,
    keys: new ApiKeys(home),
    clock: systemClock,
    alarms: systemAlarms,
    random: systemRandom,
    log,
  });
const empty: GridDoor = {
  ask: async () => {
    throw new GridError(failure('rejected.not-found', 'this grid has no models'));
  },
  models: async () => [],
};
const gateways: Gateway[] = [];
let baseURL = '';
let behindURL = '';
let apiKey = '';

async function open(behind: GridDoor): Promise<string> {
  const gateway = gatewayBefore(behind);
  gateways.push(gateway);
  return `${await gateway.start()}/v1`;
}

beforeAll(async () => {
  await door.start(home);
  baseURL = await open(door);
  const principal = 'p-0123456789abcdef' as PrincipalId;
  const scopes = ['infer' as const, 'embed' as const, 'models' as const];
  const wish = { name: 'test', principal, role: 'submitter' as const, scopes, createdAt: 1 };
  ({ key: apiKey } = await createApiKey(home, wish, systemRandom));
  const options = { name: 'lab', api: 'openai' as const, url: baseURL, key: apiKey, timeoutMs: 60_000 };
  const provider = new Provider(options, { clock: systemClock, alarms: systemAlarms });
  const models = new Map(['tiny', 'embed'].map((model) => [model, [{ provider, model }]]));
  behindURL = await open(new FallbackDoor({ grid: empty, models, clock: systemClock, log }));
});
afterAll(async () => {
  for (const gateway of gateways.reverse()) await gateway.stop();
  await door.stop();
  rmSync(home, { recursive: true });
});

openaiSuite(() => ({ baseURL, apiKey }));
describe('as a provider', () => {
  openaiSuite(() => ({ baseURL: behindURL, apiKey, requestId: /^req-[0-9a-f]{16}$/ }));
});
