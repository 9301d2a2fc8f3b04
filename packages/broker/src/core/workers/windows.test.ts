/** Drains that are planned (E17). */
import type { PrincipalId, RequestArgs, SessionId } from '@gryphgen/protocol';
import { failure, formatTime, limits } from '@gryphgen/protocol';
import { describe, expect, test } from 'vitest';
import { CoreFixture, sent } from '../core.fixture.ts';
import { explainDocument } from '../placing/explaining.ts';
import type { Task } from '../state.ts';

const hour = 3600_000;
let requests = 0;
const ask = (grid: CoreFixture, admin: SessionId, op: string, args: unknown) =>
  sent(grid.say(admin, { kind: 'request', id: ++requests, op, args } as never), 'reply')[0];
const plan = (grid: CoreFixture, admin: SessionId, args: Partial<RequestArgs<'planDrain'>>) =>
  ask(grid, admin, 'planDrain', { node: 'w-1', window: `window${++requests}x`, ...args });
const resume = (grid: CoreFixture, admin: SessionId) =>
  ask(grid, admin, 'drain', { node: 'w-1', draining: false });

function grids() {
  const grid = new CoreFixture();
  return { grid, worker: grid.worker(), admin: grid.client() };
}
const viewOf = ({ state }: CoreFixture) => state.views[0] as NonNullable<(typeof state.views)[0]>;
const explained = (grid: CoreFixture, id: number) =>
  explainDocument(grid.state, grid.task(id) as Task, grid.wall);

test('begins at its time, and is over by itself; told with the machine, before and in it', () => {
  const { grid, worker, admin } = grids();
  const at = grid.wall + 10_000;
  const planned = { id: expect.any(String), at, until: at + 5000, deadlineMs: 0, begun: false };
  expect(plan(grid, admin, { at, forMs: 5000, deadlineMs: 0 })?.result).toMatchObject({
    state: 'ready',
    windows: [planned],
  });
  grid.submit(admin, 1);
  expect(sent(grid.pass(9500, [worker]), 'stop')).toEqual([]);
  expect(viewOf(grid).draining).toBe(false);
  const effects = grid.pass(1000, [worker]);
  expect(sent(effects, 'stop')[0]).toMatchObject({ task: 1, reason: 'drain' });
  grid.result(worker, 1, 1, failure('lost.drained', 'x'));
  grid.submit(admin, 2);
  const running = `takes nothing new before ${formatTime(at + 5000)}`;
  expect(explained(grid, 1).workers[0]?.reasons?.[0]).toContain(running);
  expect(ask(grid, admin, 'nodes', {})?.result).toMatchObject([
    { state: 'draining', windows: [{ begun: true }] },
  ]);
  grid.pass(4500, [worker]);
  expect([viewOf(grid).draining, grid.state.workers.get('w-1' as never)?.windows]).toEqual([false, []]);
  expect([1, 2].map((id) => grid.task(id)?.phase)).toEqual(['leased', 'leased']);
});

test('without a time it is now, without a length until it is resumed', () => {
  const { grid, worker, admin } = grids();
  expect(plan(grid, admin, { forMs: 1000 })?.result).toMatchObject({ state: 'draining' });
  grid.pass(1000, [worker]);
  expect(viewOf(grid).draining).toBe(false);
  plan(grid, admin, { inMs: 1000 });
  grid.pass(60_000, [worker]);
  expect(viewOf(grid)).toMatchObject({ draining: true, resumesAt: 0 });
  expect(resume(grid, admin)?.result).toMatchObject({ state: 'ready' });
});

describe('before it', () => {
  test('nothing begins that its timeout lets run into it; what nobody knows the length of does, and a service', () => {
    const grid = new CoreFixture();
    const [worker, admin] = [grid.worker('w-1', { cpuMilli: 8000 }), grid.client()];
    plan(grid, admin, { inMs: hour });
    const over = { timeoutMs: hour };
    grid.submit(admin, 1, over);
    grid.submit(admin, 2, { timeoutMs: hour / 2 });
    grid.submit(admin, 3);
    grid.submit(admin, 4, { ...over, restart: 'always' });
    expect([1, 2, 3, 4].map((id) => grid.task(id)?.phase)).toEqual(['waiting', 'leased', 'leased', 'leased']);
    expect(explained(grid, 1).workers[0]?.reasons).toEqual([
      `is to be drained at ${formatTime(grid.wall + hour)}: this may take 1 h 0 m, and would run into that`,
    ]);
    grid.mono += hour / 2;
    grid.wall += hour / 2;
    grid.pass(500, [worker]);
    grid.submit(admin, 5, { timeoutMs: hour / 2 });
    expect(grid.task(5)?.phase).toBe('waiting');
    resume(grid, admin);
    expect([1, 5].map((id) => grid.task(id)?.phase)).toEqual(['leased', 'leased']);
  });

  test('what runs of its class took counts, and not its timeout; elsewhere it begins', () => {
    const { grid, worker, admin } = grids();
    for (let seq = 1; seq <= 6; seq += 1) {
      grid.submit(admin, seq);
      grid.say(worker, { kind: 'started', task: seq, attempt: 1, epoch: 1 } as never);
      grid.pass(60_000, [worker]);
      grid.result(worker, seq);
    }
    plan(grid, admin, { inMs: 30_000 });
    grid.submit(admin, 7);
    expect(grid.task(7)?.phase).toBe('waiting');
    grid.worker('w-2');
    expect(grid.task(7)?.lease?.worker).toBe('w-2');
    resume(grid, admin);
    plan(grid, admin, { inMs: hour });
    grid.submit(admin, 8, { timeoutMs: 10 * hour, constraints: { worker: 'w-1', labels: {} } });
    expect(grid.task(8)?.phase).toBe('leased');
  });
});

describe.each([false, true])('across restarts (through a snapshot: %s)', (throughSnapshot) => {
  test('it is as it was planned, and begun it has what is left of it', () => {
    const { grid, admin } = grids();
    plan(grid, admin, { inMs: 10_000, forMs: 20_000, deadlineMs: 3000 });
    const next = grid.restart(throughSnapshot);
    next.wall = grid.wall + 4000;
    next.pass(5500);
    expect(viewOf(next).draining).toBe(false);
    next.pass(500);
    expect(viewOf(next)).toMatchObject({
      draining: true,
      drainUntil: grid.wall + 13_000,
      resumesAt: grid.wall + 30_000,
    });
    const last = next.restart(throughSnapshot);
    last.wall = grid.wall + 25_000;
    last.pass(500);
    expect(viewOf(last).draining).toBe(true);
    last.pass(5000);
    expect(viewOf(last).draining).toBe(false);
    expect(last.restart(throughSnapshot).state.workers.get('w-1' as never)?.windows).toEqual([]);
  });

  test('nothing that would run into it begins before the first tick either', () => {
    const { grid, admin } = grids();
    plan(grid, admin, { inMs: hour, forMs: hour });
    const next = grid.restart(throughSnapshot);
    next.worker();
    const client = next.client();
    next.submit(client, 1, { timeoutMs: 2 * hour });
    next.submit(client, 2, { timeoutMs: hour / 2 });
    expect([1, 2].map((id) => next.task(id)?.phase)).toEqual(['waiting', 'leased']);
  });

  test('the deadline of one that had begun is what is left of it, whatever begins beside it', () => {
    const { grid, worker, admin } = grids();
    grid.submit(admin, 1);
    plan(grid, admin, { forMs: hour, deadlineMs: 10_000 });
    plan(grid, admin, { inMs: 8000, forMs: hour });
    grid.pass(500, [worker]);
    const next = grid.restart(throughSnapshot);
    next.wall = grid.wall + 8000;
    const { lease } = next.task(1) as Task;
    const held = { task: 1, attempt: 1, epoch: 1, phase: 'running', reservation: lease?.reservation };
    const again = next.worker('w-1', {}, [held] as never, 'b1');
    expect(sent(next.pass(1000, [again]), 'stop')).toEqual([]);
    expect(next.state.workers.get('w-1' as never)?.windows).toMatchObject([{ begun: true }, { begun: true }]);
    expect(sent(next.pass(1000, [again]), 'stop')[0]).toMatchObject({ task: 1, reason: 'drain' });
  });

  test('one that passed meanwhile has passed; one in which the broker comes back has its rest', () => {
    const { grid, admin } = grids();
    plan(grid, admin, { inMs: 10_000, forMs: 5000 });
    plan(grid, admin, { inMs: 20_000, forMs: 10_000 });
    const next = grid.restart(throughSnapshot);
    next.wall = grid.wall + 24_500;
    next.pass(500);
    expect(next.state.workers.get('w-1' as never)?.windows).toMatchObject([{ begun: true, ms: 5000 }]);
    next.pass(5000);
    expect(viewOf(next).draining).toBe(false);
  });
});

test('no clock that is set loses it: it begins no later than by the monotonic clock, and is held whole', () => {
  const { grid, worker, admin } = grids();
  plan(grid, admin, { inMs: 10_000, forMs: 5000 });
  grid.wall -= 10 * hour;
  grid.pass(10_000, [worker]);
  expect(viewOf(grid).draining).toBe(true);
  grid.wall += 20 * hour;
  grid.pass(4500, [worker]);
  expect(viewOf(grid).draining).toBe(true);
  grid.pass(500, [worker]);
  expect(viewOf(grid).draining).toBe(false);
  plan(grid, admin, { inMs: hour, forMs: 5000 });
  grid.wall += 30 * hour;
  grid.pass(500, [worker]);
  expect(viewOf(grid).draining).toBe(true);
  grid.pass(5000, [worker]);
  expect(viewOf(grid).draining).toBe(false);
});

test('a drain by order outlasts it, and a resume cancels what is planned and what has begun', () => {
  const { grid, worker, admin } = grids();
  plan(grid, admin, { forMs: 2000 });
  plan(grid, admin, { inMs: hour, forMs: hour });
  ask(grid, admin, 'drain', { node: 'w-1', draining: true });
  grid.pass(2000, [worker]);
  expect(viewOf(grid).draining).toBe(true);
  plan(grid, admin, { forMs: 2000 });
  const resumed = resume(grid, admin)?.result;
  expect(resumed).toMatchObject({ state: 'ready' });
  expect(resumed).not.toHaveProperty('windows');
  grid.pass(2000, [worker]);
  expect(viewOf(grid).draining).toBe(false);
});

test('an order is carried out once; what is past, too far ahead or one too many is refused', () => {
  const { grid, admin } = grids();
  const again = { window: 'window0000', inMs: hour };
  for (const _ of [1, 2]) plan(grid, admin, again);
  expect(grid.state.workers.get('w-1' as never)?.windows).toHaveLength(1);
  const past = plan(grid, admin, { at: grid.wall - hour })?.failure;
  expect(past).toEqual(
    failure(
      'rejected.invalid',
      `a drain at ${formatTime(grid.wall - hour)} is past: it is ${formatTime(grid.wall)} where the broker is`,
    ),
  );
  expect(plan(grid, admin, { at: grid.wall + 400 * 24 * hour })?.failure?.message).toContain('ahead');
  expect(plan(grid, admin, { node: 'nobody' })?.failure?.code).toBe('rejected.not-found');
  for (let more = 1; more < limits.windowsEach; more += 1) plan(grid, admin, { inMs: hour * more });
  expect(plan(grid, admin, { inMs: hour })?.failure?.code).toBe('rejected.limit');
  expect(plan(grid, admin, again)?.failure).toBeNull();
  const submitter = grid.client('submitter', 'c2', 'p-2' as PrincipalId);
  expect(plan(grid, submitter, {})?.failure?.code).toBe('rejected.forbidden');
});
