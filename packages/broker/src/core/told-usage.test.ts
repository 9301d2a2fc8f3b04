import type { AttemptNo, TaskId, Usage } from '@gryphgen/protocol';
import { failure } from '@gryphgen/protocol';
import { expect, test } from 'vitest';
import { CoreFixture } from './core.fixture.ts';
import { taskDocument } from './documents.ts';

const GiB = 1024 ** 3;

/** A grid in which one task has ended with this, 100 ms after its lease. */
function ended(usage: Usage, over = {}): CoreFixture {
  const grid = new CoreFixture();
  const worker = grid.worker();
  grid.submit(grid.client(), 1);
  grid.wall += 100;
  const fence = { task: 1 as TaskId, attempt: 1 as AttemptNo, epoch: grid.state.epoch };
  const result = { exitCode: 0, failure: null, ranMs: 5, outcome: new Uint8Array(0), usage, ...over };
  grid.say(worker, { kind: 'result', ...fence, ...result });
  return grid;
}

const usageIn = (grid: CoreFixture) => taskDocument(grid.state, grid.task(1) as never).usage;

test('what an attempt used is kept with its end: in the document, over a replay and a snapshot', () => {
  const used = { cpuMs: 12, peakMemoryBytes: 3 * GiB };
  const grid = ended(used);
  expect(usageIn(grid)).toEqual(used);
  expect(usageIn(grid.restart())).toEqual(used);
  expect(usageIn(grid.restart(true))).toEqual(used);
});

test('of an end without a word about use, and of one of an earlier version, nothing is known', () => {
  const grid = ended({});
  expect(usageIn(grid)).toBeUndefined();
  expect(grid.groups.at(-1)?.[1]).toHaveLength(10);
  expect(usageIn(grid.restart(true))).toBeUndefined();
});

test('an attempt that is to be tried again leaves what it used in the record', () => {
  const grid = new CoreFixture();
  const worker = grid.worker();
  grid.submit(grid.client(), 1, { retries: { limit: 1, backoffMs: 1000 } });
  const why = failure('execution.oom', 'it took too much');
  const told = { exitCode: 137, failure: why, ranMs: 5, outcome: new Uint8Array(0) };
  const fence = { task: 1 as TaskId, attempt: 1 as AttemptNo, epoch: grid.state.epoch };
  grid.say(worker, { kind: 'result', ...fence, ...told, usage: { peakMemoryBytes: GiB } });
  expect(grid.groups.at(-1)?.[1].slice(7)).toEqual([false, [-1, GiB, -1]]);
  expect(grid.restart(true).task(1)?.failures).toBe(1);
});

test('more than the machine has is not believed, and the rest is', () => {
  expect(usageIn(ended({ cpuMs: 12, peakMemoryBytes: 9 * GiB, peakVramBytes: 1 }))).toEqual({ cpuMs: 12 });
  expect(usageIn(ended({ cpuMs: 1e9, peakMemoryBytes: 8 * GiB }))).toEqual({ peakMemoryBytes: 8 * GiB });
});
