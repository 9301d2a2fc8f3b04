/** What one principal may have of the grid, and that it is counted from the tasks alone. */
import type { Failure, PrincipalId, PrincipalLimits } from '@gryphgen/protocol';
import { failure } from '@gryphgen/protocol';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { CoreFixture, leases, sent } from '../core.fixture.ts';
import { brokenInvariants } from '../invariants.ts';
import { explainDocument } from '../placing/explaining.ts';
import type { Task } from '../state.ts';

function limited(one: PrincipalLimits, everybody: PrincipalLimits = {}): CoreFixture {
  return new CoreFixture(1, { everybody, named: new Map([['p-1' as PrincipalId, one]]) });
}

const refusalOf = (effects: Parameters<typeof sent>[0]): Failure | undefined =>
  sent(effects, 'refused')[0]?.failure;
const bound = (words: string): Failure => failure('rejected.limit', `p-1 may ${words}`);

describe('queued', () => {
  test('refuses what would wait beyond it, and nobody else’s', () => {
    const grid = limited({ queued: 2 });
    const [owner, other] = [grid.client('submitter'), grid.client('submitter', 'c2', 'p-2')];
    for (const seq of [1, 2]) expect(refusalOf(grid.submit(owner, seq))).toBeUndefined();
    expect(refusalOf(grid.submit(owner, 3))).toEqual(bound('have 2 tasks waiting, and has 2'));
    expect(refusalOf(grid.submit(other, 1))).toBeUndefined();
    grid.say(owner, { kind: 'request', id: 1, op: 'cancel', args: { task: 1 } });
    expect(refusalOf(grid.submit(owner, 4))).toBeUndefined();
    // What is repeated is the task that it was.
    expect(sent(grid.submit(owner, 2), 'accepted')).toMatchObject([{ task: 2 }]);
  });

  test('counts no task that is placed; 0 lets nothing in', () => {
    const grid = limited({ queued: 1 }, { queued: 0 });
    grid.worker('w-1');
    const owner = grid.client('submitter');
    for (const seq of [1, 2, 3]) expect(refusalOf(grid.submit(owner, seq))).toBeUndefined();
    const other = grid.client('submitter', 'c2', 'p-2');
    expect(refusalOf(grid.submit(other, 1))?.message).toBe('p-2 may have 0 tasks waiting, and has 0');
  });
});

describe('the highest priority', () => {
  const above = (priority: number, most: number) =>
    `submit with a priority of ${most} at most, and this has ${priority} (highestPriority of the broker's principalLimits)`;

  test('is refused beyond, in words that name it, and counts against no rate', () => {
    const grid = limited({ highestPriority: 5, submitsPerSecond: 0.001 });
    const owner = grid.client('submitter');
    expect(refusalOf(grid.submit(owner, 1, { priority: 6 }))).toEqual(bound(above(6, 5)));
    expect(refusalOf(grid.submit(owner, 2, { priority: 5 }))).toBeUndefined();
  });

  test('of everybody is not for admins, who are held to their own alone', () => {
    const grid = limited({ weight: 2 }, { highestPriority: 0 });
    for (const [no, principal] of ['p-1', 'p-2'].entries()) {
      const submitter = grid.client('submitter', `c${no}`, principal);
      expect(refusalOf(grid.submit(submitter, 1, { priority: 1 }))?.message).toContain(above(1, 0));
      const admin = grid.client('admin', `a${no}`, principal);
      expect(refusalOf(grid.submit(admin, 1, { priority: 100 }))).toBeUndefined();
    }
    const named = limited({ highestPriority: 0 });
    expect(refusalOf(named.submit(named.client('admin'), 1, { priority: 1 }))).toEqual(bound(above(1, 0)));
  });
});

test('bodies are counted each for itself, ephemeral ones too, until their tasks end', () => {
  const grid = limited({ bodiesBytes: 2048 });
  const worker = grid.worker('w-1');
  const owner = grid.client('submitter');
  grid.submit(owner, 1, {}, { bodyBytes: 1024 });
  grid.submit(owner, 2, { durable: false }, { bodyBytes: 1024 });
  const words = 'keep 2 KiB of bodies of unfinished tasks, has 2 KiB, and this one has 1 B';
  expect(refusalOf(grid.submit(owner, 3, {}, { bodyBytes: 1 }))).toEqual(bound(words));
  grid.result(worker, 1);
  expect(refusalOf(grid.submit(owner, 4, {}, { bodyBytes: 1024 }))).toBeUndefined();
});

test('the rate refuses what comes too fast, by the monotonic clock alone', () => {
  const grid = limited({ submitsPerSecond: 2, submitBurst: 3 });
  const owner = grid.client('submitter');
  let seq = 0;
  const taken = (count: number) =>
    Array.from({ length: count }, () => refusalOf(grid.submit(owner, ++seq)) === undefined);
  expect(taken(4)).toEqual([true, true, true, false]);
  grid.wall += 3600_000;
  expect(taken(1)).toEqual([false]);
  grid.mono += 1000;
  expect(taken(3)).toEqual([true, true, false]);
  grid.mono += 3600_000;
  expect(taken(4)).toEqual([true, true, true, false]);
  expect(refusalOf(grid.submit(owner, ++seq))).toEqual(
    bound('submit 2 tasks a second, 3 at once: try again a little later'),
  );
});

describe('running', () => {
  test('has the others wait, says so, and keeps nobody else’s waiting', () => {
    const grid = limited({ running: 2 });
    const worker = grid.worker('w-1');
    const owner = grid.client('submitter');
    for (const seq of [1, 2, 3, 4]) grid.submit(owner, seq);
    expect([1, 2, 3, 4].map((id) => grid.task(id)?.phase)).toEqual([
      'leased',
      'leased',
      'waiting',
      'waiting',
    ]);
    expect(explainDocument(grid.state, grid.task(3) as Task, grid.wall)).toMatchObject({
      when: 'now',
      decision: 'waits: p-1 may have 2 tasks placed at a time, and has as many',
      workers: [{ feasible: true }],
    });
    expect(leases(grid.submit(grid.client('submitter', 'c2', 'p-2'), 1))).toHaveLength(1);
    expect(leases(grid.result(worker, 1))).toMatchObject([{ task: { id: 3 } }]);
    expect(grid.task(4)?.phase).toBe('waiting');
  });

  test('holds across a restart, from records and from a snapshot', () => {
    const grid = limited({ running: 1 });
    grid.worker('w-1');
    const owner = grid.client('submitter');
    for (const seq of [1, 2]) grid.submit(owner, seq);
    for (const throughSnapshot of [false, true]) {
      const next = grid.restart(throughSnapshot);
      next.worker('w-1', {}, [], 'b1');
      // The first is lost with its machine's hello, and is placed again; the second still waits.
      expect([next.task(1)?.phase, next.task(2)?.phase]).toEqual(['leased', 'waiting']);
    }
  });

  test('0 places nothing', () => {
    const grid = limited({ running: 0 });
    grid.worker('w-1');
    grid.submit(grid.client('submitter'), 1);
    expect(grid.task(1)?.phase).toBe('waiting');
  });
});

/** What may happen, by number: of two principals, one of them limited in everything. */
const step = fc.record({ who: fc.nat(1), what: fc.nat(6), at: fc.nat(30), bytes: fc.nat(400) });

test('whatever happens, shares are what replay makes, and no limit is exceeded', () => {
  fc.assert(
    fc.property(fc.array(step, { maxLength: 60 }), fc.boolean(), (steps, throughSnapshot) => {
      const most = { queued: 3, running: 2, bodiesBytes: 1000 };
      const grid = limited(most);
      const worker = grid.worker('w-1');
      const clients = [grid.client('submitter'), grid.client('submitter', 'c2', 'p-2')];
      let seq = 0;
      for (const { who, what, at, bytes } of steps) {
        const session = clients[who] as never;
        const tasks = [...grid.state.tasks.values()];
        const task = tasks[at % Math.max(1, tasks.length)];
        if (what <= 2) grid.submit(session, ++seq, { priority: at % 3 }, { bodyBytes: bytes });
        else if (what === 3 && task !== undefined)
          grid.say(session, { kind: 'request', id: ++seq, op: 'cancel', args: { task: task.id } });
        else if (what === 4 && task?.lease) grid.result(worker, task.id, task.attempt);
        else if (what === 5 && task?.lease)
          grid.result(worker, task.id, task.attempt, failure('lost.worker', 'x'));
        else grid.pass(500, [worker]);
        const { running = 0, bodiesBytes = 0 } = grid.state.shares.get('p-1' as PrincipalId) ?? {};
        expect(running).toBeLessThanOrEqual(most.running);
        expect(bodiesBytes).toBeLessThanOrEqual(most.bodiesBytes);
      }
      const replayed = grid.restart(throughSnapshot).state;
      expect(brokenInvariants(replayed)).toEqual([]);
      expect(replayed.shares).toEqual(grid.state.shares);
    }),
    { numRuns: 100 },
  );
});
