import { beforeEach, expect, it } from 'vitest';
import { keyOf } from './fence.ts';
import { memoryOfAttempts } from './use.ts';
import { fence, heartbeats, success, WorkerUnderTest } from './worker-core.fixture.ts';

const MiB = 1024 ** 2;
const task = fence(7);
let worker: WorkerUnderTest;

beforeEach(() => {
  worker = new WorkerUnderTest();
  worker.open();
  worker.run(task);
});

function used(cpuMs: number, memoryBytes: number) {
  worker.step({ kind: 'used', fence: task, reading: { cpuMs, memoryBytes } });
}

const listed = () => heartbeats(worker.live(2000)).at(-1)?.attempts;

it('a heartbeat tells what an attempt uses: its processors since the look before, its memory now', () => {
  expect(listed()).toEqual([[7, 1]]);
  used(3000, 5 * MiB);
  expect(listed()).toEqual([[7, 1, { cpuMilli: 1500, memoryBytes: 5 * MiB }]]);
  used(3500, 7 * MiB);
  // Too soon to tell of processors.
  worker.mono += 100;
  used(9000, 8 * MiB);
  expect(listed()).toEqual([[7, 1, { cpuMilli: 250, memoryBytes: 8 * MiB }]]);
});

it('a heartbeat tells how much has come of what an attempt is given, for as long as that comes', () => {
  const fetched = { bytes: MiB, of: 5 * MiB };
  worker.step({ kind: 'tick', fetched: new Map([[keyOf(task), fetched]]) });
  expect(listed()).toEqual([[7, 1, { fetched }]]);
  used(3000, 5 * MiB);
  expect(listed()).toMatchObject([[7, 1, { memoryBytes: 5 * MiB, fetched }]]);
  worker.step({ kind: 'tick', fetched: new Map() });
  expect(listed()?.[0]?.[2]).not.toHaveProperty('fetched');
});

it('of one that has ended nothing is told, and a late look changes nothing', () => {
  used(3000, 5 * MiB);
  worker.exit(task, success);
  used(4000, 6 * MiB);
  expect(listed()).toEqual([[7, 1]]);
  worker.step({ kind: 'used', fence: fence(99), reading: { cpuMs: 1, memoryBytes: 1 } });
});

it('memory of attempts is what was seen, and what is reserved where nothing was', () => {
  const held = () => memoryOfAttempts(worker.state.attempts.values());
  worker.run(fence(8), { resources: { cpuMilli: 0, memoryBytes: 3 * MiB, diskBytes: 0 } });
  expect(held()).toBe(3 * MiB);
  used(1, 5 * MiB);
  expect(held()).toBe(8 * MiB);
  worker.exit(fence(8), success);
  expect(held()).toBe(5 * MiB);
});
