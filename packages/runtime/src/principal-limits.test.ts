import { expect, it } from 'vitest';
import { loadConfig } from './config.ts';
import { limitTableOf, principalLimitsSchema } from './principal-limits.ts';
import { scratchFolder } from './scratch.fixture.ts';

const alice = 'p-0123456789abcdef';
const read = (written: unknown) => limitTableOf(principalLimitsSchema.parse(written));
const refused = (written: unknown) => principalLimitsSchema.safeParse(written).error?.issues[0];

it('who is named has what stands there, and of the rest what the default says', () => {
  const table = read({
    default: { queued: 100, running: 4, bodiesBytes: '64MiB' },
    [alice]: { running: 'none', submitsPerSecond: 0.5 },
  });
  expect(table.everybody).toEqual({
    queued: 100,
    running: 4,
    bodiesBytes: 64 * 1024 ** 2,
    highestPriority: 0,
  });
  expect([...table.named]).toEqual([
    [alice, { queued: 100, bodiesBytes: 64 * 1024 ** 2, submitsPerSecond: 0.5 }],
  ]);
  expect(read({})).toEqual({ everybody: { highestPriority: 0 }, named: new Map() });
  expect(read('{"default":{"queued":0}}').everybody).toEqual({ queued: 0, highestPriority: 0 });
});

it('what may be held at once is a quota, each thing of it for itself', () => {
  const { everybody, named } = read({
    default: { cpu: '2500m', memory: '8GiB', devices: 1 },
    [alice]: { cpu: 4, devices: 'none', vram: 0 },
  });
  expect(everybody.quota).toEqual({ cpuMilli: 2500, memoryBytes: 8 * 1024 ** 3, devices: 1 });
  expect(named.get(alice as never)?.quota).toEqual({
    cpuMilli: 4000,
    memoryBytes: 8 * 1024 ** 3,
    vramBytes: 0,
  });
});

it('nobody who is named inherits the ceiling of everybody, which is not for admins', () => {
  const { everybody, named } = read({
    default: { highestPriority: 'none' },
    [alice]: { highestPriority: 'none' },
  });
  expect([everybody, named.get(alice as never)]).toEqual([{}, { highestPriority: 100 }]);
  const below = read({ default: { highestPriority: -5 }, [alice]: { weight: 2 } });
  expect([below.everybody, below.named.get(alice as never)]).toEqual([
    { highestPriority: -5 },
    { weight: 2 },
  ]);
});

it.each<[unknown, (string | number)[], string]>([
  [{ default: { queued: -1 } }, ['default', 'queued'], 'expected a whole number from 0 to 2000000, or none'],
  [{ default: { running: 1e300 } }, ['default', 'running'], 'expected a whole number from 0'],
  [{ default: { running: 1.5 } }, ['default', 'running'], 'expected a whole number from 0'],
  [{ default: { running: Number.NaN } }, ['default', 'running'], 'or none'],
  [{ default: { running: null } }, ['default', 'running'], 'expected a whole number from 0'],
  [{ default: { submitsPerSecond: 0 } }, ['default', 'submitsPerSecond'], 'expected a number from 0.001'],
  [{ default: { submitBurst: 0 } }, ['default', 'submitBurst'], 'expected a whole number from 1'],
  [
    { default: { bodiesBytes: '-1MiB' } },
    ['default', 'bodiesBytes'],
    'expected a size such as 64MiB, or none',
  ],
  [{ default: { bodiesBytes: 2 ** 60 } }, ['default', 'bodiesBytes'], 'expected a size such as 64MiB'],
  [
    { default: { highestPriority: 101 } },
    ['default', 'highestPriority'],
    'expected a whole number from -100 to 100, or none',
  ],
  [{ default: { cpu: 'many' } }, ['default', 'cpu'], 'expected a number of CPUs such as 2 or 500m, or none'],
  [{ default: { vram: -1 } }, ['default', 'vram'], 'expected a size such as 64MiB, or none'],
  [{ default: { devices: 0.5 } }, ['default', 'devices'], 'expected a whole number from 0'],
  [{ default: { jobs: 1 } }, ['default'], 'Unrecognized key: "jobs"'],
  [{ alice: {} }, ['alice'], 'Invalid key'],
  ['{', [], 'expected record'],
])('%j is refused, with where and what was expected', (written, path, words) => {
  expect(refused(written)).toMatchObject({ path, message: expect.stringContaining(words) });
});

it('is a setting, which says where it is wrong', () => {
  const env = { GRID_HOME: scratchFolder(), GRID_PRINCIPAL_LIMITS: '{"default":{"queued":-1}}' };
  expect(loadConfig({ flags: {}, env })).toEqual({
    ok: false,
    problems: [
      'principalLimits (environment): default.queued: expected a whole number from 0 to 2000000, or none',
    ],
  });
  const good = { ...env, GRID_PRINCIPAL_LIMITS: '{"default":{"queued":7}}' };
  expect(loadConfig({ flags: {}, env: good })).toMatchObject({
    config: { principalLimits: { default: { queued: 7 } } },
  });
});
