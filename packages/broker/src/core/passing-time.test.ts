import { describe, expect, test } from 'vitest';
import { CoreFixture } from './core.fixture.ts';

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

test('a cancelled task does not wait for a machine that is gone, even when it is to wait for its link', () => {
  const grid = new CoreFixture();
  grid.worker();
  const client = grid.client();
  grid.submit(client, 1, { onLinkLost: 'wait' });
  grid.say(client, { kind: 'request', id: 7, op: 'cancel', args: { task: 1 } });
  grid.pass(21_000);
  expect(grid.task(1)?.outcome?.state).toBe('cancelled');
});
