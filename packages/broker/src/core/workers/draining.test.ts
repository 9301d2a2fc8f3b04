import { failure, type SessionId } from '@gryphgen/protocol';
import { describe, expect, test } from 'vitest';
import { CoreFixture, leases, sent } from '../core.fixture.ts';
import type { BrokerEffect } from '../effects.ts';

interface Drain {
  readonly node?: string;
  readonly draining?: boolean;
  readonly deadlineMs?: number;
}

let requests = 0;

function drain(grid: CoreFixture, admin: SessionId, { node = 'w-1', draining = true, deadlineMs }: Drain) {
  requests += 1;
  const args = { node, draining, ...(deadlineMs !== undefined && { deadlineMs }) };
  return sent(grid.say(admin, { kind: 'request', id: requests, op: 'drain', args }), 'reply')[0];
}

/** Tasks whose worker is told to end them, once or more. */
function told(effects: BrokerEffect[]): number[] {
  return [...new Set(sent(effects, 'stop').map(({ task, reason }) => (reason === 'drain' ? task : -task)))];
}

/** One task, leased to the first of two workers. */
function placed() {
  const grid = new CoreFixture();
  const [worker, admin] = [grid.worker(), grid.client()];
  grid.submit(admin, 1);
  return { grid, worker, admin, other: grid.worker('w-2') };
}

const drained = failure('lost.drained', 'its machine was drained');
const attempt = {
  task: 1,
  attempt: 1,
  epoch: 1,
  reservation: { cpuMilli: 1000, memoryBytes: 0, diskBytes: 0, devices: [] },
};
const listed = [{ ...attempt, phase: 'running' }] as never;

describe('a drain with a deadline (E17)', () => {
  test('has what still runs there told to end when it has passed, and given to another when it has ended', () => {
    const { grid, worker, admin, other } = placed();
    const alive = [worker, other];
    expect(drain(grid, admin, { deadlineMs: 10_000 })?.result).toMatchObject({
      state: 'draining',
      drain: { until: grid.wall + 10_000 },
      tasks: ['t1'],
    });
    expect(told(grid.pass(9500, alive))).toEqual([]);
    const [stop] = sent(grid.pass(500, alive), 'stop');
    expect(stop).toEqual({ kind: 'stop', task: 1, attempt: 1, epoch: 1, leaseSeq: 1, reason: 'drain' });
    expect(grid.task(1)?.lease?.worker).toBe('w-1');
    grid.result(worker, 1, 1, drained);
    expect(grid.task(1)).toMatchObject({ phase: 'leased', attempt: 2, failures: 0, losses: 0 });
    expect(grid.task(1)?.lease?.worker).toBe('w-2');
    expect(grid.task(1)?.lastFailure).toEqual(
      failure('lost.drained', 'w-1 was drained, and its deadline passed while this ran'),
    );
    expect(grid.state.views.map(({ reliability }) => reliability)).toEqual([1, 1]);
  });

  test('of nothing has them told at once', () => {
    const { grid, admin } = placed();
    drain(grid, admin, { deadlineMs: 0 });
    expect(told(grid.pass(500))).toEqual([1]);
  });

  test('has them told until they have ended, whatever becomes of the drain', () => {
    const { grid, worker, admin } = placed();
    drain(grid, admin, { deadlineMs: 0 });
    grid.pass(500);
    drain(grid, admin, { draining: false });
    expect(told(grid.heartbeat(worker, 1, [[1, 1]]))).toEqual([1]);
    const before = grid.effects.length;
    const back = grid.worker('w-1', {}, listed, 'b2');
    expect(told(grid.effects.slice(before))).toEqual([1]);
    grid.result(back, 1, 1, drained);
    expect(told(grid.heartbeat(back, 1))).toEqual([]);
    expect(grid.task(1)).toMatchObject({ attempt: 2, losses: 0 });
  });

  test('that is lifted before it passes ends nothing', () => {
    const { grid, worker, admin, other } = placed();
    drain(grid, admin, { deadlineMs: 5000 });
    grid.pass(4500, [worker, other]);
    expect(drain(grid, admin, { draining: false })?.result).not.toHaveProperty('drain');
    expect(told(grid.pass(10_000, [worker, other]))).toEqual([]);
    expect(grid.task(1)?.attempt).toBe(1);
  });

  test.each([
    ['a later one', { deadlineMs: 8000 }, 8000],
    ['an earlier one', { deadlineMs: 1000 }, 1000],
    ['the same, from now on', { deadlineMs: 5000 }, 5000],
    ['none', {}, undefined],
  ])('is replaced by %s', (_, order, toldAfterMs) => {
    const { grid, worker, admin, other } = placed();
    const alive = [worker, other];
    drain(grid, admin, { deadlineMs: 5000 });
    grid.pass(4000, alive);
    drain(grid, admin, order);
    expect(told(grid.pass((toldAfterMs ?? 60_000) - 500, alive))).toEqual([]);
    expect(told(grid.pass(500, alive))).toEqual(toldAfterMs === undefined ? [] : [1]);
  });

  test('counts by a clock that nobody sets', () => {
    const { grid, worker, admin, other } = placed();
    drain(grid, admin, { deadlineMs: 5000 });
    grid.wall += 3_600_000;
    expect(told(grid.pass(4500, [worker, other]))).toEqual([]);
    grid.wall -= 7_200_000;
    expect(told(grid.pass(500, [worker, other]))).toEqual([1]);
  });

  test.each([false, true])(
    'that passed while the broker was down counts (snapshot: %s)',
    (throughSnapshot) => {
      const { grid, admin } = placed();
      drain(grid, admin, { deadlineMs: 60_000 });
      const next = grid.restart(throughSnapshot);
      next.wall = grid.wall + 60_000;
      next.worker('w-1', {}, listed);
      expect(sent(next.pass(500), 'stop')).toMatchObject([
        { task: 1, attempt: 1, epoch: 1, reason: 'drain' },
      ]);
    },
  );

  test('is over a restart no farther away than it was ordered, wherever the wall clock stands', () => {
    const { grid, admin } = placed();
    drain(grid, admin, { deadlineMs: 5000 });
    const next = grid.restart();
    next.wall = 0;
    const worker = next.worker('w-1', {}, listed);
    // The first tick begins to count.
    expect(told(next.pass(5000, [worker]))).toEqual([]);
    expect(told(next.pass(500, [worker]))).toEqual([1]);
  });

  test('that a worker hears of late finds it when it is back', () => {
    const { grid, worker, admin, other } = placed();
    grid.result(worker, 1);
    grid.submit(admin, 2, { onLinkLost: 'wait', constraints: { worker: 'w-1', labels: {} } });
    drain(grid, admin, { deadlineMs: 1000 });
    grid.step({ kind: 'sessionClosed', session: worker });
    expect(told(grid.pass(60_000, [other]))).toEqual([]);
    expect(grid.task(2)?.lease?.worker).toBe('w-1');
    const back = grid.worker('w-1', {}, [{ ...attempt, task: 2, phase: 'running' }] as never);
    expect(told(grid.pass(500, [back]))).toEqual([2]);
    // Nowhere else may it run: it waits for its machine.
    grid.result(back, 2, 1, drained);
    expect(grid.task(2)).toMatchObject({ phase: 'waiting', losses: 0 });
    expect(leases(grid.pass(60_000, [back, other]))).toEqual([]);
    drain(grid, admin, { draining: false });
    expect(grid.task(2)).toMatchObject({ phase: 'leased', attempt: 2 });
  });

  test('tells nothing while the journal is stalled, and all of it afterwards (E19)', () => {
    const { grid, worker, admin, other } = placed();
    drain(grid, admin, { deadlineMs: 1000 });
    grid.step({ kind: 'journalStalled', stalled: true });
    expect(told(grid.pass(2000, [worker, other]))).toEqual([]);
    // The order was taken up: its answer is held back. Another deadline is another order.
    expect(drain(grid, grid.client(), { deadlineMs: 1000 })).toBeUndefined();
    expect(drain(grid, grid.client(), { deadlineMs: 2000 })?.failure?.code).toBe('unplaceable.journal');
    grid.step({ kind: 'journalStalled', stalled: false });
    expect(told(grid.pass(500))).toEqual([1]);
  });
});

describe('of an attempt that was told to end for a drain', () => {
  function overdue() {
    const made = placed();
    drain(made.grid, made.admin, { deadlineMs: 0 });
    made.grid.pass(500);
    return made;
  }

  test('a success that arrives is the outcome', () => {
    const { grid, worker } = overdue();
    expect(sent(grid.result(worker, 1), 'finished')).toMatchObject([{ state: 'succeeded', attempt: 1 }]);
  });

  test('a failure of its own is a failure of its own', () => {
    const { grid, worker } = overdue();
    const boom = failure('execution.exit', 'boom');
    expect(sent(grid.result(worker, 1, 1, boom), 'finished')).toMatchObject([
      { state: 'failed', failure: boom },
    ]);
  });

  test('a cancel is heard, whichever came first (E15)', () => {
    const { grid, worker, admin } = overdue();
    const effects = grid.say(admin, { kind: 'request', id: 1000, op: 'cancel', args: { task: 1 } });
    expect(sent(effects, 'stop')).toMatchObject([{ reason: 'cancel' }]);
    expect(sent(grid.result(worker, 1, 1, drained), 'finished')).toMatchObject([{ state: 'cancelled' }]);
  });

  test('an older worker says that it was cancelled, which is no outcome either', () => {
    const { grid, worker } = overdue();
    grid.result(worker, 1, 1, failure('cancelled.user', 'cancelled while it ran'));
    expect(grid.task(1)).toMatchObject({ attempt: 2, losses: 0, lastFailure: { code: 'lost.drained' } });
  });

  test('the broker has forgotten that over a restart and a resume: it counts as lost, and moves', () => {
    const { grid, admin } = overdue();
    drain(grid, admin, { draining: false });
    const next = grid.restart();
    const worker = next.worker('w-1', {}, listed);
    next.result(worker, 1, 1, drained, 1 as never);
    expect(next.task(1)).toMatchObject({ attempt: 2, losses: 1, lastFailure: { code: 'lost.worker' } });
  });

  test('any number may be so: a drain is nobody’s failing', () => {
    const { grid, admin, worker, other } = placed();
    const sessions = [worker, other];
    for (let no = 1; no <= 8; no += 1) {
      const at = (no - 1) % 2;
      drain(grid, admin, { node: `w-${at + 1}`, deadlineMs: 0 });
      grid.pass(500, sessions);
      grid.result(sessions[at] as SessionId, 1, no, drained);
      drain(grid, admin, { node: `w-${at + 1}`, draining: false });
    }
    expect(grid.task(1)).toMatchObject({ phase: 'leased', attempt: 9, failures: 0, losses: 0 });
  });

  test('a worker that ends what nobody told it to is held to the limit of losses (E16)', () => {
    const grid = new CoreFixture();
    const worker = grid.worker();
    grid.submit(grid.client(), 1);
    for (let no = 1; no <= 6; no += 1) grid.result(worker, 1, no, drained);
    expect(grid.task(1)?.outcome?.failure?.code).toBe('lost.worker');
  });
});
