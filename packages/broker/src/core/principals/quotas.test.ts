/** What one principal's tasks may hold at once. */
import type { Device, Envelope, PrincipalId, Quota, Resources } from '@gryphgen/protocol';
import { envelopeDefaults, failure } from '@gryphgen/protocol';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { CoreFixture, leases, sent } from '../core.fixture.ts';
import { shareDocument } from '../documents.ts';
import { explainDocument } from '../placing/explaining.ts';
import type { Task } from '../state.ts';

const GiB = 1024 ** 3;

function limited(quota: Quota): CoreFixture {
  return new CoreFixture(1, { everybody: {}, named: new Map([['p-1' as PrincipalId, { quota }]]) });
}

const asks = (resources: Partial<Resources>): Partial<Envelope> => ({
  resources: { cpuMilli: 1000, memoryBytes: 0, diskBytes: 0, ...resources },
});
const card = (uuid: string, vramBytes: number): Device => ({
  uuid: uuid as Device['uuid'],
  index: 0,
  name: 'RTX 3060',
  vramBytes,
  computeCapability: 86,
  driver: '550',
  foreignBytes: 0,
});
const phases = (grid: CoreFixture, ...ids: number[]) => ids.map((id) => grid.task(id)?.phase);
const explained = (grid: CoreFixture, id: number) =>
  explainDocument(grid.state, grid.task(id) as Task, grid.wall);

describe('a task that would go beyond it', () => {
  test('waits, and keeps neither others’ waiting nor those of its principal that are within', () => {
    const grid = limited({ cpuMilli: 2500 });
    const worker = grid.worker('w-1');
    const owner = grid.client('submitter');
    for (const seq of [1, 2]) grid.submit(owner, seq, asks({}));
    grid.submit(owner, 3, asks({}));
    grid.submit(owner, 4, asks({ cpuMilli: 500 }));
    expect(leases(grid.submit(grid.client('submitter', 'c2', 'p-2'), 1, asks({})))).toHaveLength(1);
    expect(phases(grid, 1, 2, 3, 4)).toEqual(['leased', 'leased', 'waiting', 'leased']);
    expect(explained(grid, 3)).toMatchObject({
      decision:
        'waits for its quota: p-1 may hold 2.5 CPU at once, holds 2.5 CPU, and this needs 1 CPU: enough once t1 ended',
      quota: { of: 'cpuMilli', held: 2500, allowed: 2500, needed: 1000, ends: ['t1'] },
    });
    expect(leases(grid.result(worker, 2))).toMatchObject([{ task: { id: 3 } }]);
    expect(shareDocument(grid.state, 'p-1' as PrincipalId, 'submitter', grid.wall)).toMatchObject({
      has: { held: { cpuMilli: 2500, memoryBytes: 0, vramBytes: 0, devices: 0 } },
      limits: { quota: { cpuMilli: 2500 } },
    });
  });

  test('has no room kept for it, and nothing ended', () => {
    const grid = limited({ cpuMilli: 3000 });
    const worker = grid.worker('w-1', { cpuMilli: 3000 });
    const [owner, other] = [grid.client('submitter'), grid.client('submitter', 'c2', 'p-2')];
    grid.submit(owner, 1, asks({}));
    grid.submit(other, 1, { ...asks({ cpuMilli: 2000 }), preemptible: true });
    grid.submit(owner, 2, { ...asks({ cpuMilli: 3000 }), priority: 50 });
    grid.say(worker, { kind: 'started', task: 2, attempt: 1, epoch: 1 } as never);
    const wide = { ...asks({ cpuMilli: 3000 }), priority: -1 };
    grid.submit(other, 2, wide);
    grid.pass(600_000, [worker]);
    expect(grid.state.claims.map(({ task }) => task)).toEqual([4]);
    expect(grid.task(2)?.lease?.preempted).toBeNull();
    // Once its principal's own is over it is as any other.
    grid.result(worker, 1);
    grid.pass(5000, [worker]);
    expect(grid.state.claims.map(({ task }) => task)).toEqual([3]);
    expect(grid.task(2)?.lease?.preempted).toMatchObject({ by: 3 });
  });
});

test.each<[Quota, Partial<Resources>, string]>([
  [{ cpuMilli: 500 }, {}, 'hold 0.5 CPU at once, and this alone needs 1 CPU'],
  [
    { memoryBytes: GiB },
    { memoryBytes: 2 * GiB },
    'hold 1 GiB of memory at once, and this alone needs 2 GiB of memory',
  ],
  [
    { vramBytes: 0 },
    { gpu: { kind: 'part', vramBytes: GiB } },
    'hold 0 B of device memory at once, and this alone needs 1 GiB of device memory',
  ],
  [
    { vramBytes: 5 * GiB },
    { gpu: { kind: 'whole', count: 1 } },
    'hold 5 GiB of device memory at once, and this alone needs 6 GiB of device memory',
  ],
  [
    { devices: 1 },
    { gpu: { kind: 'whole', count: 2 } },
    'hold 1 whole device at once, and this alone needs 2 whole devices',
  ],
])('what alone is above %j is refused: %j', (quota, resources, words) => {
  const grid = limited(quota);
  grid.worker('w-1', { devices: [card('GPU-a', 12 * GiB), card('GPU-b', 6 * GiB)] });
  const [refused] = sent(grid.submit(grid.client('submitter'), 1, asks(resources)), 'refused');
  expect(refused?.failure).toEqual(failure('rejected.limit', `p-1 may ${words}`));
  const other = grid.client('submitter', 'c2', 'p-2');
  expect(sent(grid.submit(other, 1, asks(resources)), 'accepted')).toHaveLength(1);
});

test('a dry run tells what of its principal would hold it up, or have it refused', () => {
  const quota = { cpuMilli: 2500 };
  const limits = { quota, running: 2, queued: 1, highestPriority: 5 };
  const named = new Map([['p-1' as PrincipalId, limits]]);
  const grid = new CoreFixture(1, { everybody: {}, named });
  const worker = grid.worker('w-1');
  const [owner, other] = [grid.client('submitter'), grid.client('submitter', 'c2', 'p-2')];
  let id = 0;
  const dryRun = (over: Partial<Envelope>, asker = owner) => {
    const envelope = { ...envelopeDefaults, kind: 'process', ...over };
    id += 1;
    return sent(grid.say(asker, { kind: 'request', id, op: 'dryRun', args: { envelope } }), 'reply')[0]
      ?.result;
  };
  expect(dryRun(asks({}))).toMatchObject({ decision: expect.stringMatching(/^placed on/) });
  grid.submit(owner, 1, asks({ cpuMilli: 2000 }));
  expect(dryRun(asks({}))).toMatchObject({
    decision:
      'waits for its quota: p-1 may hold 2.5 CPU at once, holds 2 CPU, and this needs 1 CPU: enough once t1 ended',
    quota: { of: 'cpuMilli', held: 2000, allowed: 2500, needed: 1000, ends: ['t1'] },
  });
  expect(dryRun(asks({}), other)).toMatchObject({ decision: expect.stringMatching(/^placed on/) });
  const alone = 'p-1 may hold 2.5 CPU at once, and this alone needs 3 CPU';
  expect(dryRun(asks({ cpuMilli: 3000 }))).toMatchObject({
    decision: `would be refused: ${alone}`,
    refused: failure('rejected.limit', alone),
  });
  expect(dryRun({ ...asks({}), priority: 6 })).toMatchObject({
    refused: { code: 'rejected.limit', message: expect.stringContaining('a priority of 5 at most') },
  });
  grid.submit(owner, 2, asks({ cpuMilli: 500 }));
  expect(dryRun(asks({ cpuMilli: 0 }))).toMatchObject({
    decision: 'waits: p-1 may have 2 tasks placed at a time, and has as many',
  });
  grid.submit(owner, 3, asks({ cpuMilli: 500 }));
  expect(dryRun(asks({}))).toMatchObject({
    refused: { message: 'p-1 may have 1 tasks waiting, and has 1' },
  });
  grid.result(worker, 1);
  expect(dryRun({ kind: 'infer', model: 'nope' })).toMatchObject({ refused: { code: 'rejected.not-found' } });
});

test('whole devices count with their memory: a smaller one is taken where the best would be too much', () => {
  const grid = limited({ vramBytes: 14 * GiB });
  // The older card is the lesser one, and would be spent first.
  const old = { ...card('GPU-old', 12 * GiB), computeCapability: 10 };
  grid.worker('w-1', { devices: [old, card('GPU-new', 6 * GiB)] });
  const owner = grid.client('submitter');
  const devicesOf = (id: number) => grid.task(id)?.lease?.reservation.devices.map(({ uuid }) => uuid);
  grid.submit(owner, 1, asks({ gpu: { kind: 'part', vramBytes: 3 * GiB, uuid: 'GPU-new' as never } }));
  grid.submit(grid.client('submitter', 'c2', 'p-2'), 1, asks({ gpu: { kind: 'whole', count: 1 } }));
  expect([devicesOf(1), devicesOf(2)]).toEqual([['GPU-new'], ['GPU-old']]);
  grid.worker('w-2', {
    devices: [old, card('GPU-c', 6 * GiB)].map((one, no) => ({ ...one, uuid: `GPU-2${no}` as never })),
  });
  grid.submit(owner, 2, asks({ gpu: { kind: 'whole', count: 1 } }));
  expect(devicesOf(3)).toEqual(['GPU-21']);
});

test('what may run only where whole devices are too large for it waits, and says so', () => {
  const grid = limited({ vramBytes: 8 * GiB });
  grid.worker('w-1', { devices: [card('GPU-a', 12 * GiB)] });
  grid.worker('w-2', { devices: [card('GPU-b', 6 * GiB)] });
  const only = { constraints: { worker: 'w-1', labels: {} } };
  grid.submit(grid.client('submitter'), 1, { ...asks({ gpu: { kind: 'whole', count: 1 } }), ...only });
  expect(explained(grid, 1)).toMatchObject({
    decision: expect.stringContaining('this needs 12 GiB of device memory: which is never enough'),
    quota: { of: 'vramBytes', held: 0, allowed: 8 * GiB, needed: 12 * GiB, ends: [] },
  });
});

test('a quota that was lowered ends nothing; what asks for more than it alone waits, and says never', () => {
  const grid = limited({ cpuMilli: 4000 });
  grid.worker('w-1');
  const owner = grid.client('submitter');
  for (const seq of [1, 2]) grid.submit(owner, seq, asks({ cpuMilli: 3000 }));
  const lowered = { everybody: {}, named: new Map([['p-1' as PrincipalId, { quota: { cpuMilli: 2000 } }]]) };
  const next = grid.restart(true);
  Object.assign(next.state, { principalLimits: lowered });
  const { lease } = next.task(1) as Task;
  const held = { task: 1, attempt: 1, epoch: 1, phase: 'running', reservation: lease?.reservation } as never;
  const worker = next.worker('w-1', {}, [held], 'b1');
  next.pass(1000, [worker]);
  expect(phases(next, 1, 2)).toEqual(['running', 'waiting']);
  expect(explained(next, 2)).toMatchObject({
    decision: expect.stringContaining('this needs 3 CPU: which is never enough'),
    quota: { held: 3000, allowed: 2000, ends: [] },
  });
});

/** What may happen, by number: to tasks of a principal with a quota, and of one without. */
const step = fc.record({
  who: fc.nat(1),
  what: fc.nat(5),
  at: fc.nat(30),
  cpuMilli: fc.constantFrom(500, 1000, 2000),
});

test('whatever happens, no more is held than its quota, and nothing waits that it allows', () => {
  fc.assert(
    fc.property(fc.array(step, { maxLength: 40 }), fc.boolean(), (steps, throughSnapshot) => {
      const grid = limited({ cpuMilli: 3000, memoryBytes: 3 * GiB });
      const worker = grid.worker('w-1', { cpuMilli: 64_000, memoryBytes: 64 * GiB });
      const clients = [grid.client('submitter'), grid.client('submitter', 'c2', 'p-2')];
      let seq = 0;
      for (const { who, what, at, cpuMilli } of steps) {
        const tasks = [...grid.state.tasks.values()];
        const task = tasks[at % Math.max(1, tasks.length)];
        if (what <= 2)
          grid.submit(clients[who] as never, ++seq, asks({ cpuMilli, memoryBytes: (at % 3) * GiB }));
        else if (what === 3 && task?.lease) grid.result(worker, task.id, task.attempt);
        else if (what === 4 && task?.lease)
          grid.result(worker, task.id, task.attempt, failure('lost.worker', 'x'));
        else grid.pass(500, [worker]);
        const own = [...grid.state.tasks.values()].filter(({ principal }) => principal === 'p-1');
        const held = { cpuMilli: 0, memoryBytes: 0 };
        for (const { lease } of own) {
          held.cpuMilli += lease?.reservation.cpuMilli ?? 0;
          held.memoryBytes += lease?.reservation.memoryBytes ?? 0;
        }
        expect(held.cpuMilli).toBeLessThanOrEqual(3000);
        expect(held.memoryBytes).toBeLessThanOrEqual(3 * GiB);
        for (const { lease, spec } of own) {
          const { cpuMilli, memoryBytes } = spec.envelope.resources;
          const fits = held.cpuMilli + cpuMilli <= 3000 && held.memoryBytes + memoryBytes <= 3 * GiB;
          expect(lease !== null || !fits || (memoryBytes === 0 && cpuMilli === 0)).toBe(true);
        }
        expect(
          [...grid.state.tasks.values()].every((one) => one.lease !== null || one.principal === 'p-1'),
        ).toBe(true);
      }
      expect(grid.restart(throughSnapshot).state.shares).toEqual(grid.state.shares);
    }),
    { numRuns: 100 },
  );
});
