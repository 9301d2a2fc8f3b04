/** What asks for much is not passed over for ever by what asks for less. */
import { limits } from '@gryphgen/protocol';
import fc from 'fast-check';
import { afterEach, expect, test } from 'vitest';
import { CoreFixture } from '../core.fixture.ts';
import type { Task } from '../state.ts';
import { explainDocument } from './explaining.ts';

const shared = limits as { claimAfterMs: number };
const { claimAfterMs } = limits;
afterEach(() => {
  shared.claimAfterMs = claimAfterMs;
});

const cpu = (cpuMilli: number, more: object = {}) => ({
  resources: { cpuMilli, memoryBytes: 0, diskBytes: 0 },
  ...more,
});

/** One machine of four processors, half of it taken for ever; the client and the worker of it. */
function busy(more: object = {}) {
  const grid = new CoreFixture();
  const worker = grid.worker('w-1', { cpuMilli: 4000 });
  const client = grid.client();
  grid.submit(client, 1, cpu(2000, more));
  return { grid, worker, client };
}

const explained = (grid: CoreFixture, id: number) =>
  explainDocument(grid.state, grid.task(id) as Task, grid.wall);

test('room is kept for what has waited in vain, and both are told', () => {
  const { grid, worker, client } = busy();
  grid.submit(client, 2, cpu(4000));
  grid.pass(claimAfterMs + 1000, [worker]);
  expect(explained(grid, 2).decision).toBe('waits: room is kept for it on w-1');
  grid.submit(client, 3, cpu(1000));
  expect(grid.task(3)?.phase).toBe('waiting');
  expect(explained(grid, 3).workers).toEqual([
    { worker: 'w-1', name: 'w-1', feasible: false, reasons: ['keeps room for t2, which has waited in vain'] },
  ]);
  grid.result(worker, 1);
  expect([2, 3].map((id) => grid.task(id)?.phase)).toEqual(['leased', 'waiting']);
  grid.result(worker, 2);
  expect(grid.task(3)?.phase).toBe('leased');
});

test('what certainly ends in time runs there meanwhile, and what asks for nothing that is lacked', () => {
  const { grid, worker, client } = busy({ timeoutMs: 600_000 });
  grid.submit(client, 2, cpu(4000));
  grid.pass(claimAfterMs + 1000, [worker]);
  expect(explained(grid, 2).decision).toMatch(/^waits: room is kept for it on w-1; there will be enough by /);
  grid.submit(client, 3, cpu(1000, { timeoutMs: 900_000 }));
  grid.submit(client, 4, cpu(1000, { timeoutMs: 60_000, name: 'short', labels: { a: 'b' }, priority: -1 }));
  grid.submit(client, 5, cpu(0));
  expect([3, 4, 5].map((id) => grid.task(id)?.phase)).toEqual(['waiting', 'leased', 'leased']);
});

test('a higher priority need not heed it', () => {
  const { grid, worker, client } = busy();
  grid.submit(client, 2, cpu(4000));
  grid.pass(claimAfterMs + 1000, [worker]);
  grid.submit(client, 3, cpu(1000, { priority: 1 }));
  expect(grid.task(3)?.phase).toBe('leased');
});

test.each(['cancel', 'away'])('it ends with its reason: %s', (how) => {
  const { grid, worker, client } = busy();
  grid.submit(client, 2, cpu(4000));
  grid.pass(claimAfterMs + 1000, [worker]);
  grid.submit(client, 3, cpu(1000));
  expect(grid.task(3)?.phase).toBe('waiting');
  if (how === 'cancel') grid.say(client, { kind: 'request', id: 9, op: 'cancel', args: { task: 2 } });
  else grid.worker('w-2', { cpuMilli: 4000 });
  grid.pass(1000, [worker]);
  expect(grid.task(3)?.phase).toBe('leased');
});

test('of whole devices the least held are kept, and a part of another card is given', () => {
  const grid = new CoreFixture();
  const card = (uuid: string, index: number) => ({
    uuid: uuid as never,
    index,
    name: 'RTX 3060',
    vramBytes: 12 * 1024 ** 3,
    computeCapability: 86,
    driver: '1',
    foreignBytes: 0,
  });
  const worker = grid.worker('w-1', { devices: [card('a', 0), card('b', 1), card('c', 2)] });
  const client = grid.client();
  const gpu = (request: object) => ({
    resources: { cpuMilli: 0, memoryBytes: 0, diskBytes: 0, gpu: request as never },
  });
  for (const seq of [1, 2]) grid.submit(client, seq, gpu({ kind: 'part', vramBytes: 8 * 1024 ** 3 }));
  grid.submit(client, 3, gpu({ kind: 'whole', count: 2 }));
  grid.pass(claimAfterMs + 1000, [worker]);
  const [claim] = grid.state.claims;
  expect(claim?.reservation.devices).toHaveLength(2);
  expect(claim?.reservation.devices[0]?.uuid).toBe('c');
  grid.submit(client, 4, gpu({ kind: 'part', vramBytes: 1024 ** 3 }));
  const taken = grid.task(4)?.lease?.reservation.devices[0]?.uuid;
  expect(claim?.reservation.devices.map(({ uuid }) => uuid)).not.toContain(taken);
  expect(taken).toBeDefined();
});

/** A stream that would always leave too little: some run when others end. */
function placedAfter(runs: readonly number[], isKept: boolean): number {
  shared.claimAfterMs = isKept ? claimAfterMs : Number.POSITIVE_INFINITY;
  const grid = new CoreFixture();
  const worker = grid.worker('w-1', { cpuMilli: 4000 });
  const client = grid.client();
  let seq = 0;
  const small = () => grid.submit(client, ++seq, cpu(1000));
  for (let n = 0; n < 4; n += 1) small();
  grid.submit(client, ++seq, cpu(4000));
  const large = grid.task(seq) as Task;
  const ends = new Map<number, number>();
  for (let second = 0; second < 120; second += 1) {
    if (large.phase !== 'waiting') return second;
    if (grid.state.waiting.size < 3) small();
    for (const { id, lease } of [...grid.state.tasks.values()]) {
      if (lease === null) continue;
      const end = ends.get(id) ?? second + (runs[id % runs.length] as number);
      ends.set(id, end);
      if (second >= end) grid.result(worker, id);
    }
    grid.pass(1000, [worker]);
  }
  return Number.POSITIVE_INFINITY;
}

test('what asks for a whole machine is placed amid a stream of what asks for less, and without kept room never', () => {
  const lengths = fc.array(fc.integer({ min: 1, max: 20 }), { minLength: 4, maxLength: 9 });
  fc.assert(
    fc.property(lengths, (runs) => {
      expect(placedAfter(runs, true)).toBeLessThanOrEqual(claimAfterMs / 1000 + 25);
    }),
    { numRuns: 20 },
  );
  expect(placedAfter([7, 11, 5, 13], false)).toBe(Number.POSITIVE_INFINITY);
});
