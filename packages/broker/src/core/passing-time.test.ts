import { limits, type TaskId } from '@gryphgen/protocol';
import { describe, expect, test, vi } from 'vitest';
import { CoreFixture, sent } from './core.fixture.ts';
import type { KeptKey } from './state.ts';

describe('silence', () => {
  test('a worker that is silent for lease and grace loses its move tasks, not its wait tasks (E12)', () => {
    const grid = new CoreFixture();
    const worker = grid.worker();
    const client = grid.client();
    grid.submit(client, 1);
    grid.submit(client, 2, { onLinkLost: 'wait' });
    grid.pass(19_500);
    expect(grid.task(1)?.phase).toBe('leased');
    grid.pass(1500);
    expect(grid.task(1)).toMatchObject({ phase: 'waiting', losses: 1 });
    expect(grid.task(2)).toMatchObject({ phase: 'leased', attempt: 1 });
    expect(grid.state.sessions.has(worker)).toBe(false);
    const other = grid.worker('w-2');
    expect(grid.task(1)).toMatchObject({ phase: 'leased', attempt: 2 });
    grid.result(other, 1, 2);
    expect(grid.task(1)?.outcome?.worker).toBe('w-2');
  });

  test('time in which the broker did not run counts against nobody (E13)', () => {
    const grid = new CoreFixture();
    grid.worker();
    grid.submit(grid.client(), 1);
    grid.mono += 3600_000;
    grid.step({ kind: 'tick' });
    expect(grid.task(1)?.phase).toBe('leased');
  });

  test('nothing is placed on a worker that missed three heartbeats, and again when it speaks', () => {
    const grid = new CoreFixture();
    const worker = grid.worker();
    grid.pass(7000);
    grid.submit(grid.client(), 1);
    expect(grid.task(1)?.phase).toBe('waiting');
    grid.heartbeat(worker, 1);
    grid.step({ kind: 'tick' });
    expect(grid.task(1)?.phase).toBe('leased');
  });
});

test('a task that found no place within its queueTimeout fails, another whose timeout is over runs on', () => {
  const grid = new CoreFixture();
  grid.worker('w-1', { slots: 1 });
  const client = grid.client();
  grid.submit(client, 1, { queueTimeoutMs: 3000 });
  grid.submit(client, 2, { queueTimeoutMs: 3000 });
  grid.pass(3500);
  expect(grid.task(1)?.phase).toBe('leased');
  expect(grid.task(2)?.outcome?.failure?.code).toBe('unplaceable.timeout');
});

test('deadlines of tasks that have ended are not kept until they are due, live or replayed', () => {
  const grid = new CoreFixture();
  const worker = grid.worker();
  const client = grid.client();
  grid.submit(client, 1, { queueTimeoutMs: 24 * 3600_000 });
  for (let n = 2; n <= 400; n += 1) {
    grid.submit(client, n, { queueTimeoutMs: 24 * 3600_000 });
    grid.result(worker, n);
  }
  expect(grid.state.deadlines.size).toBeLessThan(100);
  expect(grid.restart().state.deadlines.size).toBeLessThan(100);
});

test('deadlines fall due in order, whatever was swept out meanwhile', () => {
  const grid = new CoreFixture();
  const client = grid.client();
  grid.step({ kind: 'sessionClosed', session: grid.worker() });
  const dueMs = (n: number) => 1000 + ((n * 7919) % 500) * 1000;
  for (let n = 1; n <= 500; n += 1) {
    grid.submit(client, n, { queueTimeoutMs: dueMs(n) });
    if (n % 3 !== 0) grid.say(client, { kind: 'request', id: n, op: 'cancel', args: { task: n } });
  }
  const timedOut = sent(grid.pass(501_000), 'finished').map(({ task }) => dueMs(task));
  expect(timedOut).toHaveLength(166);
  expect(timedOut).toEqual(timedOut.toSorted((a, b) => a - b));
});

test('a cancelled task does not wait for a machine that is gone, even when it is to wait for its link', () => {
  const grid = new CoreFixture();
  grid.worker();
  const client = grid.client();
  grid.submit(client, 1, { onLinkLost: 'wait' });
  grid.say(client, { kind: 'request', id: 7, op: 'cancel', args: { task: 1 } });
  grid.pass(21_000);
  expect(grid.task(1)?.outcome?.state).toBe('cancelled');
});

test('keys whose tasks live on cost each tick no more than a batch of looks, and hide none behind them', () => {
  const grid = new CoreFixture();
  const worker = grid.worker('w-1', { slots: 1 });
  const client = grid.client();
  grid.submit(client, 1, {}, { key: 'ended' });
  grid.submit(client, 2);
  grid.result(worker, 1);
  const ended = grid.state.keys.get('p-1 ended') as KeptKey;
  grid.state.keys.clear();
  for (let n = 0; n < 5000; n += 1) grid.state.keys.set(`p-1 ${n}`, { ...ended, task: 2 as TaskId });
  grid.state.keys.set('p-1 ended', ended);
  grid.wall += limits.keyMs;
  const looks = vi.spyOn(grid.state.tasks, 'has');
  for (let tick = 0; tick < 6; tick += 1) {
    looks.mockClear();
    grid.step({ kind: 'tick' });
    expect(looks.mock.calls.length).toBeLessThanOrEqual(1000);
  }
  expect([...grid.state.keys.keys()]).not.toContain('p-1 ended');
  expect(grid.state.keys.size).toBe(5000);
});
