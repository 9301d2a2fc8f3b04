/** Services at the broker: what is shown of them (E23), and when they are begun again (E16). */
import { failure, type PublishedPort, type SessionId, type WorkerReport } from '@gryphgen/protocol';
import { beforeEach, describe, expect, it } from 'vitest';
import { CoreFixture, sent } from '../core.fixture.ts';
import { taskDocument } from '../documents.ts';
import type { Task } from '../state.ts';

const boom = failure('execution.exit', 'exit code 1');
const lost = failure('lost.link', 'cut off');
const wellMs = 600_000;
let grid: CoreFixture;
let worker: SessionId;
let client: SessionId;

beforeEach(() => begin());

function begin(over: Partial<WorkerReport> = {}): void {
  grid = new CoreFixture();
  worker = grid.worker('w-1', over);
  client = grid.client();
}

const start = (attempt: number) => grid.say(worker, { kind: 'started', task: 1, attempt, epoch: 1 } as never);
const shown = () => taskDocument(grid.state, grid.task(1) as Task);
const port = (over: Partial<PublishedPort> = {}): PublishedPort => ({
  ...{ name: 'web', port: 80, protocol: 'tcp', bind: 'loopback', hostPort: 49_153 },
  ...over,
});
const serve = (seq: number, over: Partial<PublishedPort> = {}, more: object = {}) => {
  const health = { state: 'healthy', words: '' };
  const fence = { task: 1, attempt: 1, epoch: 1 };
  return grid.say(worker, { kind: 'served', ...fence, seq, ports: [port(over)], health, ...more } as never);
};
const reported = (attempt = 1) => [
  {
    ...{ task: 1, attempt, epoch: 1, phase: 'running' },
    reservation: { cpuMilli: 1000, memoryBytes: 0, diskBytes: 0, devices: [] },
  },
];

it('says that it runs, where that was lost', () => {
  grid.submit(client, 1);
  grid.say(client, { kind: 'watch', tasks: [1 as never], progress: true });
  expect(shown().state).toBe('leased');
  const health = { state: 'healthy', words: '' };
  expect(sent(serve(1), 'changed')).toMatchObject([{ task: 1, state: 'running', health }]);
  expect(shown()).toMatchObject({ state: 'running', health });
});

describe('what a worker tells of a service', () => {
  beforeEach(() => {
    grid.submit(client, 1);
    start(1);
  });

  it('is shown, and told to who watches', () => {
    grid.say(client, { kind: 'watch', tasks: [1 as never], progress: true });
    expect(shown()).not.toHaveProperty('addresses');
    const addresses = [{ name: 'web', port: 80, protocol: 'tcp', address: '127.0.0.1:49153' }];
    const health = { state: 'healthy', words: '' };
    expect(sent(serve(1), 'changed')).toMatchObject([{ task: 1, state: 'running', addresses, health }]);
    expect(shown()).toMatchObject({ addresses, health });
  });

  it('is the newest, whatever arrives late or twice', () => {
    serve(2);
    expect(serve(1, { hostPort: 1 })).toEqual([{ kind: 'answered', session: worker }]);
    serve(2, { hostPort: 2 });
    expect(shown().addresses).toMatchObject([{ address: '127.0.0.1:49153' }]);
  });

  it('counts for the present attempt alone, and goes with it', () => {
    serve(1, {}, { attempt: 2 });
    expect(shown()).not.toHaveProperty('addresses');
    expect(grid.state.counters.fenced).toBe(1);
    serve(1);
    grid.result(worker, 1);
    expect(shown()).not.toHaveProperty('addresses');
    expect(shown()).not.toHaveProperty('health');
  });

  it('stands over its worker’s next life, which counts anew', () => {
    serve(5);
    worker = grid.worker('w-1', {}, reported() as never, 'b2');
    expect(shown().addresses).toHaveLength(1);
    serve(1, { hostPort: 50_000 });
    expect(shown().addresses).toMatchObject([{ address: '127.0.0.1:50000' }]);
  });

  it('is never journaled', () => {
    const decisions = grid.groups.length;
    serve(1);
    expect(grid.groups).toHaveLength(decisions);
  });
});

describe('who publishes for all is reached', () => {
  it.each([
    ['where its data endpoint is', 'tcp://10.0.0.7:7102', '10.0.0.7'],
    ['by its name, where that is for itself alone', 'tcp://127.0.0.1:7102', 'w-1'],
    ['by its name, where that is a file', 'ipc:///run/x.sock', 'w-1'],
    ['by its name, where it has none', '', 'w-1'],
  ])('%s', (_, dataEndpoint, host) => {
    begin({ dataEndpoint });
    grid.submit(client, 1);
    start(1);
    serve(1, { bind: 'all' });
    expect(shown().addresses).toMatchObject([{ address: `${host}:49153` }]);
  });
});

/** Runs attempt `no` for so long and ends it; says how long it then waits, or how it ended. */
function round(no: number, why: typeof boom | null, ranMs = 5): number | string {
  start(no);
  if (ranMs > 5) grid.pass(ranMs, [worker]);
  const message = { task: 1, attempt: no, epoch: 1, exitCode: why ? 1 : 0, failure: why, ranMs };
  grid.say(worker, { kind: 'result', ...message, outcome: new Uint8Array(0) } as never);
  const task = grid.task(1) as Task;
  if (task.outcome !== null) return task.outcome.state;
  const waitMs = task.notBefore === 0 ? 0 : task.notBefore - grid.state.watch;
  grid.pass(waitMs, [worker]);
  return waitMs;
}

describe('a service', () => {
  it('is begun again after each failure, without limit, less and less often', () => {
    grid.submit(client, 1, { restart: 'on-failure', retries: { limit: 0, backoffMs: 1000 } });
    const waits = Array.from({ length: 14 }, (_, index) => round(index + 1, boom));
    expect(waits.slice(0, 4)).toEqual([1000, 2000, 4000, 8000]);
    expect(waits.slice(-3)).toEqual([600_000, 600_000, 600_000]);
    expect(grid.task(1)?.lastFailure).toEqual(boom);
  });

  it('waits a second at least: nothing else bounds its tries', () => {
    grid.submit(client, 1, { restart: 'always', retries: { limit: 0, backoffMs: 0 } });
    expect([round(1, boom), round(2, boom)]).toEqual([1000, 2000]);
  });

  it('ends with exit code 0, unless it is to run always', () => {
    grid.submit(client, 1, { restart: 'on-failure' });
    expect(round(1, null)).toBe('succeeded');
    begin();
    grid.submit(client, 1, { restart: 'always' });
    expect(round(1, null)).toBe(1000);
    expect(grid.task(1)?.lastFailure).toEqual({
      code: 'execution.exit',
      message: 'the command exited with code 0, and it is to run always',
    });
  });

  it('begins afresh once it has run well, losses and all, and so do those who replay', () => {
    grid.submit(client, 1, { restart: 'on-failure' });
    expect([round(1, boom), round(2, lost), round(3, boom, wellMs - 1000)]).toEqual([1000, 0, 2000]);
    expect(grid.task(1)).toMatchObject({ failures: 2, losses: 1 });
    expect(round(4, boom, wellMs)).toBe(1000);
    for (const state of [grid.state, grid.restart().state, grid.restart(true).state])
      expect(state.tasks.get(1 as never)).toMatchObject({ failures: 1, losses: 0 });
  });

  it('has not run well for the time in which it was prepared', () => {
    grid.submit(client, 1, { restart: 'on-failure' });
    round(1, boom);
    grid.pass(wellMs, [worker]);
    expect(round(2, boom)).toBe(2000);
  });

  it('has not run well for the time in which nobody heard of its end', () => {
    grid.submit(client, 1, { restart: 'on-failure' });
    round(1, boom);
    start(2);
    grid.pass(wellMs, [worker]);
    grid.result(worker, 1, 2, boom);
    expect(grid.task(1)).toMatchObject({ failures: 2 });
  });

  it('that kills its machines stops all the same', () => {
    grid.submit(client, 1, { restart: 'always' });
    expect([1, 2, 3, 4, 5, 6].map((no) => round(no, lost))).toEqual([0, 0, 0, 0, 0, 'failed']);
  });

  it('is ended for good by a cancel: while it runs, while it waits, and where it succeeds first', () => {
    const cancel = () => grid.say(client, { kind: 'request', id: 1, op: 'cancel', args: { task: 1 } });
    for (const [running, why, ends] of [
      [true, boom, 'cancelled'],
      [true, null, 'succeeded'],
      [false, null, 'cancelled'],
    ] as const) {
      begin();
      grid.submit(client, 1, { restart: 'always' });
      start(1);
      if (!running) grid.result(worker, 1, 1, boom);
      cancel();
      if (running) grid.result(worker, 1, 1, why);
      expect(grid.task(1)?.outcome?.state).toBe(ends);
    }
  });
});

it('a task that is no service forgets nothing of its tries', () => {
  grid.submit(client, 1, { retries: { limit: 1, backoffMs: 0 } });
  expect([round(1, boom), round(2, boom, wellMs)]).toEqual([0, 'failed']);
});
