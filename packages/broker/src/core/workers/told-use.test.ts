import type { AttemptNo, TaskId, Usage, Use } from '@gryphgen/protocol';
import { failure } from '@gryphgen/protocol';
import { expect, test } from 'vitest';
import { CoreFixture, sent } from '../core.fixture.ts';
import { nodeDocument, taskDocument } from '../documents.ts';
import { explainDocument } from '../placing/explaining.ts';

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

const nodeOf = ({ state }: CoreFixture) => nodeDocument(state, state.workers.get('w-1' as never) as never);

/** A grid whose one worker runs task 1, which asked for 1 GiB. */
function running(): {
  grid: CoreFixture;
  use: (use?: Use) => void;
  client: ReturnType<CoreFixture['client']>;
} {
  const grid = new CoreFixture();
  const worker = grid.worker();
  const client = grid.client();
  grid.submit(client, 1, { resources: { cpuMilli: 100, memoryBytes: GiB, diskBytes: 0 } });
  let beats = 0;
  const use = (told?: Use) => {
    beats += 1;
    grid.heartbeat(worker, beats, [told === undefined ? [1, 1] : ([1, 1, told] as never)]);
  };
  return { grid, use, client };
}

test('what a running attempt uses is told in its document, and counts with its machine', () => {
  const { grid, use } = running();
  use({ cpuMilli: 900, memoryBytes: GiB / 2 });
  expect(taskDocument(grid.state, grid.task(1) as never).use).toEqual({
    cpuMilli: 900,
    memoryBytes: GiB / 2,
  });
  expect(nodeOf(grid).ledger).toEqual({
    observed: { cpuMilli: 900, memoryBytes: GiB / 2 },
    beyondBytes: 0,
    free: { cpuMilli: 3900, memoryBytes: 7 * GiB, devices: [] },
  });
  use();
  expect(taskDocument(grid.state, grid.task(1) as never)).not.toHaveProperty('use');
});

test('nothing new is placed on memory that an attempt holds beyond its reservation, until it lets go', () => {
  const { grid, use, client } = running();
  use({ memoryBytes: 5 * GiB });
  grid.submit(client, 2, { resources: { cpuMilli: 100, memoryBytes: 4 * GiB, diskBytes: 0 } });
  expect(grid.task(2)?.phase).toBe('waiting');
  expect(nodeOf(grid).ledger).toMatchObject({ beyondBytes: 4 * GiB, free: { memoryBytes: 3 * GiB } });
  use({ memoryBytes: 2 * GiB });
  expect(grid.task(2)?.phase).toBe('leased');
});

test('how much has come of what it is given is told with it and to who watches, as far as that can be, until it runs', () => {
  const grid = new CoreFixture();
  const worker = grid.worker();
  const client = grid.client();
  grid.submit(client, 1, { inputs: [{ digest: `sha256:${'a'.repeat(64)}`, bytes: 100 }] });
  grid.say(client, { kind: 'watch', tasks: [1 as TaskId], progress: true });
  const beat = (seq: number, fetched?: Use['fetched']) =>
    sent(grid.heartbeat(worker, seq, [[1, 1, { fetched }] as never]), 'changed').map((told) => told.fetched);
  expect(beat(1, { bytes: 40, of: 100 })).toEqual([{ bytes: 40, of: 100 }]);
  // What was told is not told again.
  expect(beat(2, { bytes: 40, of: 100 })).toEqual([]);
  const task = () => grid.task(1) as never;
  expect(taskDocument(grid.state, task()).use?.fetched).toEqual({ bytes: 40, of: 100 });
  expect(explainDocument(grid.state, task(), grid.wall).fetched).toEqual({ bytes: 40, of: 100 });
  for (const impossible of [
    { bytes: 50, of: 101 },
    { bytes: 101, of: 100 },
  ])
    expect(beat(3, impossible)).toEqual([]);
  // Nothing is told of what it goes back by, nor of what it comes to again.
  for (const [seq, bytes] of [10, undefined, 40].entries())
    expect(beat(4 + seq, bytes === undefined ? bytes : { bytes, of: 100 })).toEqual([]);
  expect(beat(8, { bytes: 70, of: 100 })).toEqual([{ bytes: 70, of: 100 }]);
  const fence = { task: 1 as TaskId, attempt: 1 as AttemptNo, epoch: grid.state.epoch };
  expect(sent(grid.say(worker, { kind: 'started', ...fence }), 'changed')).toMatchObject([
    { state: 'running' },
  ]);
  expect(beat(9, { bytes: 80, of: 100 })).toEqual([]);
  expect(explainDocument(grid.state, task(), grid.wall)).not.toHaveProperty('fetched');
});

test('a use that the machine does not have counts for nothing, and is told', () => {
  const { grid, use } = running();
  use({ cpuMilli: 1e9, memoryBytes: 9 * GiB, vramBytes: 1 });
  expect(nodeOf(grid)).toMatchObject({
    ledger: { observed: { cpuMilli: 0, memoryBytes: 0 }, beyondBytes: 0 },
    doubts: ['said that t1 held 1 B of the 0 B of its devices (2 times)'],
  });
});

test('of a ghost that holds more than it says is reserved for it, the rest counts too', () => {
  const grid = new CoreFixture(3);
  const reservation = { cpuMilli: 0, memoryBytes: GiB, diskBytes: 0, devices: [] };
  const ghost = { task: 9, attempt: 1, epoch: 2, phase: 'running', reservation };
  const worker = grid.worker('w-1', {}, [ghost] as never);
  grid.heartbeat(worker, 1, [[9, 1, { memoryBytes: 3 * GiB }] as never]);
  expect(nodeOf(grid).ledger).toMatchObject({ beyondBytes: 2 * GiB, free: { memoryBytes: 5 * GiB } });
});
