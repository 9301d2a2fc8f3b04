/** Attempts that are ended to make room for what is more urgent, when that pays (E30). */
import { type Envelope, failure, limits } from '@gryphgen/protocol';
import { expect, test } from 'vitest';
import { CoreFixture, sent } from '../core.fixture.ts';
import { brokenInvariants } from '../invariants.ts';
import type { Task } from '../state.ts';
import { explainDocument } from './explaining.ts';

const { claimAfterMs, unpreemptedMs } = limits;
const cpu = (cpuMilli: number, more: Partial<Envelope> = {}): Partial<Envelope> => ({
  resources: { cpuMilli, memoryBytes: 0, diskBytes: 0 },
  ...more,
});
const mayEnd = { preemptible: true };
const drained = failure('lost.drained', 'its machine was drained');

/** One machine of four processors, wholly taken by these tasks for so long. */
function busy(tasks: readonly Partial<Envelope>[], ranMs: number = unpreemptedMs) {
  const grid = new CoreFixture();
  const worker = grid.worker('w-1', { cpuMilli: 4000 });
  const client = grid.client();
  let seq = 0;
  const submit = (over: Partial<Envelope>): Task => {
    grid.submit(client, ++seq, over);
    return grid.task(seq) as Task;
  };
  const running = tasks.map(submit);
  for (const { id, attempt } of running)
    grid.say(worker, { kind: 'started', task: id, attempt, epoch: 1 } as never);
  grid.pass(ranMs, [worker]);
  return { grid, worker, client, running, submit };
}

const told = (grid: CoreFixture) => [...new Set(sent(grid.effects, 'stop').map(({ task }) => task))];

test('the least costly are told to end, tried again without a count, and the other has their room', () => {
  const { grid, worker, submit, running } = busy([cpu(3000, mayEnd), cpu(500, mayEnd), cpu(500, mayEnd)]);
  const urgent = submit(cpu(900, { priority: 100 }));
  grid.pass(claimAfterMs + 2000, [worker]);
  expect(told(grid)).toEqual([2, 3]);
  expect(sent(grid.effects, 'stop')[0]?.reason).toBe('drain');
  const explained = (task: Task) => explainDocument(grid.state, task, grid.wall).decision;
  expect(explained(urgent)).toBe('waits: room is kept for it on w-1: t2, t3 told to end');
  expect(explained(running[1] as Task)).toContain('; told to end, to make room for t4');
  grid.result(worker, 2, 1, drained);
  // Nobody else has what the other waits for.
  expect(grid.task(2)).toMatchObject({ phase: 'waiting', losses: 0, failures: 0, preemptions: 1 });
  expect(grid.task(2)?.lastFailure).toEqual(
    failure('lost.preempted', 'ended to make room for t4, which has a higher priority'),
  );
  grid.result(worker, 3, 1, drained);
  expect(urgent.phase).toBe('leased');
  expect(grid.task(2)?.phase).toBe('waiting');
});

test.each<[string, Partial<Envelope>, Partial<Envelope>]>([
  ['of the same priority', mayEnd, { priority: 0 }],
  ['that has not said that it may be', {}, { priority: 100 }],
  ['that runs a service', { restart: 'always' }, { priority: 100 }],
  [
    'that waits for its lost worker',
    { retries: { limit: 2, backoffMs: 0 }, onLinkLost: 'wait' },
    { priority: 100 },
  ],
  [
    'that says that it may not',
    { retries: { limit: 2, backoffMs: 0 }, preemptible: false },
    { priority: 100 },
  ],
])('never one %s', (_what, runs, waits) => {
  const { grid, worker, submit } = busy([cpu(4000, runs)]);
  submit(cpu(1000, waits));
  grid.pass(10 * claimAfterMs, [worker]);
  expect(told(grid)).toEqual([]);
});

test('one that is to be tried again may be, but not before it has run for its time', () => {
  const { grid, worker, submit } = busy([cpu(4000, { retries: { limit: 1, backoffMs: 0 } })], 0);
  submit(cpu(4000, { priority: 100 }));
  grid.pass(unpreemptedMs - 1000, [worker]);
  expect(told(grid)).toEqual([]);
  grid.pass(2000, [worker]);
  expect(told(grid)).toEqual([1]);
});

test('only when it pays: what would be lost is weighed against what has been waited', () => {
  const { grid, worker, submit } = busy([cpu(4000, mayEnd)], 20 * unpreemptedMs);
  submit(cpu(4000, { priority: 10 }));
  // Twice its wait, for ten points, against twenty minutes and its wait.
  grid.pass(19 * unpreemptedMs, [worker]);
  expect(told(grid)).toEqual([]);
  grid.pass(2 * unpreemptedMs, [worker]);
  expect(told(grid)).toEqual([1]);
});

test('nothing is ended that ends soon by itself', () => {
  const timeoutMs = 2 * unpreemptedMs;
  const { grid, worker, submit } = busy(
    [cpu(4000, { ...mayEnd, timeoutMs, stopGraceMs: 0 })],
    1.3 * unpreemptedMs,
  );
  submit(cpu(1000, { priority: 1 }));
  grid.pass(claimAfterMs + 2000, [worker]);
  expect(told(grid)).toEqual([]);
});

test('a task is ended a bounded number of times, each time after it has run for twice as long', () => {
  const { grid, worker, client, submit } = busy([cpu(4000, mayEnd)], 0);
  const victim = grid.task(1) as Task;
  const ran: number[] = [];
  for (let time = 0; time < limits.preemptions + 1; time += 1) {
    const other = submit(cpu(4000, { priority: 100 }));
    const before = sent(grid.effects, 'stop').length;
    let seconds = 0;
    for (; sent(grid.effects, 'stop').length === before && seconds < 3600; seconds += 10)
      grid.pass(10_000, [worker]);
    ran.push(seconds);
    if (seconds === 3600) break;
    grid.result(worker, 1, victim.attempt, drained);
    expect(other.phase).toBe('leased');
    grid.result(worker, other.id, other.attempt);
    grid.say(worker, { kind: 'started', task: 1, attempt: victim.attempt, epoch: 1 } as never);
  }
  expect(ran.slice(1, -1).every((each, index) => each >= (ran[index] as number))).toBe(true);
  expect(ran.at(-1)).toBe(3600);
  expect(victim.preemptions).toBe(limits.preemptions);
  grid.say(client, { kind: 'request', id: 99, op: 'cancel', args: { task: 1 } });
});

test.each([false, true])(
  'a restart (through a snapshot: %s) knows what was told to end',
  (throughSnapshot) => {
    const { grid, worker, submit } = busy([cpu(4000, mayEnd)]);
    submit(cpu(1000, { priority: 100 }));
    grid.pass(2 * claimAfterMs, [worker]);
    const next = grid.restart(throughSnapshot);
    expect(brokenInvariants(next.state)).toEqual([]);
    expect(next.task(1)).toMatchObject({ preemptions: 1, lease: { preempted: { by: 2 } } });
    const [lease] = [next.task(1)?.lease];
    const attempts = [
      { task: 1, attempt: 1, epoch: 1, phase: 'running', reservation: lease?.reservation },
    ] as never;
    const again = next.worker('w-1', { cpuMilli: 4000 }, attempts, 'b1');
    expect(sent(next.effects, 'stop')).toMatchObject([{ task: 1, reason: 'drain' }]);
    next.result(again, 1, 1, drained, 1 as never);
    expect(next.task(1)).toMatchObject({ losses: 0, lastFailure: { code: 'lost.preempted' } });
  },
);
