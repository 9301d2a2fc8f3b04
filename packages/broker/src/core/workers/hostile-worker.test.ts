import {
  type AttemptNo,
  type AttemptReport,
  type Epoch,
  limits,
  type TaskId,
  type WorkerId,
} from '@gryphgen/protocol';
import { expect, test } from 'vitest';
import { CoreFixture, report } from '../core.fixture.ts';
import { apply } from '../record/apply.ts';
import { CommitPipeline } from '../record/commit-pipeline.ts';
import { decided } from '../record/decisions.ts';
import { loadSnapshot, saveSnapshot } from '../record/snapshot.ts';
import type { Worker } from '../state.ts';
import { doubtLines } from './doubts.ts';
import { findWorker } from './node-orders.ts';

const most = Number.MAX_SAFE_INTEGER;
const succeeded = {
  kind: 'result',
  task: 1 as TaskId,
  attempt: 1 as AttemptNo,
  epoch: 1 as Epoch,
  exitCode: 0,
  failure: null,
  outcome: new Uint8Array(0),
} as const;

test('a worker that reports absurd ghosts breaks no ledger', () => {
  const grid = new CoreFixture();
  const ghost = (task: number, cpuMilli: number): AttemptReport => ({
    task: task as never,
    attempt: 1 as never,
    epoch: 1 as never,
    phase: 'running',
    reservation: { cpuMilli, memoryBytes: 0, diskBytes: 0, devices: [] },
  });
  const worker = grid.worker('w-1', { cpuMilli: most }, [ghost(7, 1000), ghost(8, most), ghost(9, 1001)]);
  grid.heartbeat(worker, 1);
  expect(grid.state.workers.get('w-1' as never)?.view.ledger).toMatchObject({ cpuMilli: 0, attempts: 0 });
});

test('an attempt said to have run longer than it was leased started with its lease', () => {
  const grid = new CoreFixture();
  const worker = grid.worker();
  grid.submit(grid.client(), 1);
  const leasedAt = grid.wall;
  grid.wall += 500;
  grid.say(worker, { ...succeeded, ranMs: 1e308 });
  expect(grid.task(1)?.outcome?.startedAt).toBe(leasedAt);
});

test('a device reported twice is given out once', () => {
  const grid = new CoreFixture();
  const device = {
    uuid: 'GPU-1' as never,
    index: 0,
    name: 'RTX 3060',
    vramBytes: 12 * 1024 ** 3,
    computeCapability: 86,
    driver: '1',
    foreignBytes: 0,
  };
  grid.worker('w-1', { devices: [device, device] });
  const client = grid.client();
  grid.submit(client, 1, {
    resources: { cpuMilli: 1, memoryBytes: 1, diskBytes: 0, gpu: { kind: 'whole', count: 2 } },
  });
  expect(grid.task(1)?.phase).not.toBe('leased');
});

test('the status is told while the journal takes nothing', () => {
  const pipeline = new CommitPipeline();
  const status = { kind: 'status', session: 's', request: 1, status: {} } as never;
  expect(
    pipeline.admit([{ kind: 'record', decision: [decided.workerRemoved, 'w', 0] as never }, status]),
  ).toEqual([status]);
});

test('a worker that says the name of another is known by it and its own id, told of and counted, and is given nothing meant for that', () => {
  const grid = new CoreFixture();
  const [honest, liar] = ['w-00000000000000aa', 'w-bbbb0000000000bb'] as WorkerId[];
  grid.worker(honest, { name: 'forge', cpuMilli: 1000 });
  const session = grid.worker(liar, { name: 'forge', cpuMilli: 9000 });
  const known = (id = '') => grid.state.workers.get(id as WorkerId) as Worker;
  expect([honest, liar].map((id) => known(id).view.name)).toEqual(['forge', 'forge-bbbb']);
  expect(doubtLines(known(liar))).toEqual([
    "says that its name is forge, which is another's: it is known as forge-bbbb",
  ]);
  expect(doubtLines(known(honest))).toEqual([]);
  expect(grid.state.counters.namesTaken).toBe(1);
  const client = grid.client();
  const constraints = { labels: {}, worker: 'forge' };
  grid.submit(client, 1, { constraints });
  grid.submit(client, 2, { constraints });
  expect(grid.task(1)?.lease?.worker).toBe(honest);
  expect(grid.task(2)?.phase).toBe('waiting');
  grid.say(session, { kind: 'report', seq: 1, report: report({ name: 'forge', memoryBytes: 1 }) });
  grid.say(client, { kind: 'request', id: 1, op: 'drain', args: { node: 'forge', draining: true } });
  expect([honest, liar].map((id) => known(id).view.draining)).toEqual([true, false]);
  // By journal and by snapshot, and said again.
  for (const snapshot of [true, false]) {
    const next = grid.restart(snapshot);
    expect(findWorker(next.state, 'forge')?.id).toBe(honest);
    next.worker(liar, { name: 'forge' });
    expect(findWorker(next.state, 'forge-bbbb')?.id).toBe(liar);
    next.say(next.client(), { kind: 'request', id: 1, op: 'removeNode', args: { node: 'forge' } });
    expect(next.state.workers.has(honest as WorkerId)).toBe(false);
    expect(findWorker(next.state, 'forge')).toBe(undefined);
    next.worker(liar, { name: 'forge' });
    expect(findWorker(next.state, 'forge')?.id).toBe(liar);
    expect(findWorker(next.state, 'forge-bbbb')).toBe(undefined);
  }
});

test('nobody is called as the id of another, and what a liar may be called nobody can take from it', () => {
  const grid = new CoreFixture();
  const [honest, liar, third] = [
    'w-aaaa0000000000aa',
    'w-bbbb0000000000bb',
    'w-bbbb0000000000cc',
  ] as WorkerId[];
  const nameOf = (id = '') => grid.state.workers.get(id as WorkerId)?.view.name;
  // Said before that one is known, too.
  grid.worker(liar, { name: honest });
  grid.worker(honest, { name: 'forge' });
  expect(nameOf(liar)).toBe(`${honest}-bbbb`);
  grid.worker(third, { name: 'forge-bbbb' });
  grid.worker(liar, { name: 'forge' });
  expect([honest, liar, third].map(nameOf)).toEqual(['forge', 'forge-bbbb0000', 'forge-bbbb']);
  grid.worker(honest, { name: 'anvil' });
  grid.worker(liar, { name: 'forge' });
  expect([honest, liar].map(nameOf)).toEqual(['anvil', 'forge']);
});

test('two of one name in an older journal load as they are; at their hellos the first in the record keeps it', () => {
  const grid = new CoreFixture();
  const twins = ['w-bbbb0000000000bb', 'w-aaaa0000000000aa'] as WorkerId[];
  for (const id of twins) apply(grid.state, 1 as Epoch, [decided.workerNamed, id, 'forge', 0]);
  const loaded = loadSnapshot(structuredClone(saveSnapshot(grid.state)), 1 as Epoch);
  expect([...loaded.names.holdersOf('forge')]).toEqual(twins);
  expect(findWorker(loaded, 'forge')).toBe(undefined);
  for (const id of twins.toReversed()) grid.worker(id, { name: 'forge' });
  expect(twins.map((id) => grid.state.workers.get(id)?.view.name)).toEqual(['forge', 'forge-aaaa']);
});

test('one worker more than the grid can know is refused in words, and nothing of it is kept', () => {
  const grid = new CoreFixture();
  for (let n = 1; n <= limits.workers; n += 1)
    apply(grid.state, 1 as Epoch, [decided.workerNamed, `w-${n}` as WorkerId, 'w', 0]);
  const session = grid.worker('w-0');
  const [refused] = grid.effects.filter(({ kind }) => kind === 'close');
  expect(refused).toMatchObject({ session, failure: { code: 'rejected.limit' } });
  expect(grid.state.sessions.size).toBe(0);
  expect(grid.state.counters.turnedAway).toBe(1);
  grid.worker('w-1');
  expect(grid.state.sessions.size).toBe(1);
});

test('a worker that says another hardware with each report is told of, and soon not listened to', () => {
  const grid = new CoreFixture();
  const worker = grid.worker();
  const known = grid.state.workers.get('w-1' as WorkerId);
  for (let seq = 1; seq <= 100; seq += 1)
    grid.say(worker, {
      kind: 'report',
      seq,
      report: report({ name: 'w-1', cpuMilli: 1000 * (4 + (seq % 2)) }),
    });
  expect(known?.view.report?.cpuMilli).toBe(4000);
  expect(known && doubtLines(known)).toEqual([
    expect.stringMatching(/^said in one session that it has [45] CPU and that it has [45] \([0-9]+ times\)$/),
  ]);
  // What is not its hardware is heard all the same.
  grid.say(worker, { kind: 'report', seq: 101, report: report({ name: 'w-1', labels: { rack: 'b' } }) });
  expect(known?.view.report?.labels).toEqual({ rack: 'b' });
  grid.worker('w-1', { cpuMilli: 9000 });
  expect(known && doubtLines(known)).toEqual([]);
});

test('more memory held outside the grid than there is stops its own machine alone, and is told', () => {
  const grid = new CoreFixture();
  const worker = grid.worker();
  grid.worker('w-2');
  grid.say(worker, { kind: 'report', seq: 1, report: report({ name: 'w-1', foreignBytes: most }) });
  const resources = { cpuMilli: 100, memoryBytes: 1024, diskBytes: 0 };
  for (const seq of [1, 2, 3]) grid.submit(grid.client(), seq, { resources });
  expect([1, 2, 3].map((id) => grid.task(id)?.lease?.worker)).toEqual(['w-2', 'w-2', 'w-2']);
  const known = grid.state.workers.get('w-1' as WorkerId);
  expect(known && doubtLines(known)).toEqual([
    'said that 8192 TiB of its 8 GiB memory are held outside the grid',
  ]);
});
