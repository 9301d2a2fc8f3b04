import { failure } from '@gryphgen/protocol';
import { describe, expect, test } from 'vitest';
import { CoreFixture, leases, sent } from './core.fixture.ts';

const boom = failure('execution.exit', 'exit code 1');
const reservation = { cpuMilli: 1000, memoryBytes: 0, diskBytes: 0, devices: [] };

describe('fencing', () => {
  test('a result of another attempt, epoch or worker is acknowledged and ignored (E8)', () => {
    const grid = new CoreFixture();
    const worker = grid.worker();
    const other = grid.worker('w-2', { cpuMilli: 0 });
    grid.submit(grid.client(), 1);
    for (const late of [
      () => grid.result(worker, 1, 2),
      () => grid.result(other, 1),
      () => grid.result(worker, 1, 1, null, 9 as never),
    ]) {
      expect(sent(late(), 'resultAck')).toHaveLength(1);
    }
    expect(grid.task(1)?.phase).toBe('leased');
    expect(grid.state.counters.fenced).toBe(3);
  });

  test('an attempt is adopted by the next epoch under the fence it was leased with (E11)', () => {
    const grid = new CoreFixture();
    grid.worker();
    grid.submit(grid.client(), 1);
    for (const throughSnapshot of [false, true]) {
      const next = grid.restart(throughSnapshot);
      const attempts = [{ task: 1, attempt: 1, epoch: 1, phase: 'running', reservation }];
      const worker = next.worker('w-1', {}, attempts as never);
      expect(next.task(1)).toMatchObject({ phase: 'running', attempt: 1 });
      expect(leases(next.effects)).toMatchObject([{ attempt: 1, leaseSeq: 1 }]);
      expect(sent(next.result(worker, 1, 1, null, 1 as never), 'resultAck')).toHaveLength(1);
      expect(next.task(1)?.outcome?.state).toBe('succeeded');
    }
  });

  test('an attempt of the right number but another epoch is dropped and stays reserved as a ghost (E14)', () => {
    const grid = new CoreFixture(3);
    const attempts = [{ task: 1, attempt: 1, epoch: 2, phase: 'running', reservation }];
    const worker = grid.worker('w-1', {}, attempts as never);
    expect(sent(grid.effects, 'stop')).toMatchObject([{ task: 1, attempt: 1, epoch: 2, reason: 'drop' }]);
    const ledger = grid.state.workers.get('w-1' as never)?.view.ledger;
    expect(ledger?.cpuMilli).toBe(1000);
    grid.heartbeat(worker, 1, [[1, 1]]);
    expect(ledger?.cpuMilli).toBe(1000);
    grid.heartbeat(worker, 2);
    expect(ledger?.cpuMilli).toBe(0);
  });

  test('a heartbeat without the attempt never takes it away; the lease is repeated under its number (E9)', () => {
    const grid = new CoreFixture();
    const worker = grid.worker();
    grid.submit(grid.client(), 1);
    expect(leases(grid.heartbeat(worker, 1))).toHaveLength(0);
    grid.mono += 2000;
    grid.step({ kind: 'tick' });
    grid.mono += 2000;
    grid.step({ kind: 'tick' });
    grid.mono += 100;
    expect(leases(grid.heartbeat(worker, 2))).toMatchObject([{ leaseSeq: 1, attempt: 1 }]);
    expect(grid.heartbeat(worker, 2)).toEqual([]);
    expect(grid.task(1)?.attempt).toBe(1);
  });

  test('an attempt the worker no longer has at hello is lost and leased anew (E11)', () => {
    const grid = new CoreFixture();
    grid.worker();
    grid.submit(grid.client(), 1);
    grid.worker('w-1', {}, [], 'b2');
    expect(grid.task(1)).toMatchObject({ phase: 'leased', attempt: 2, losses: 1 });
  });
});

describe('retries', () => {
  test('execution failures are retried with growing backoff up to the limit (E16)', () => {
    const grid = new CoreFixture();
    const worker = grid.worker();
    grid.submit(grid.client(), 1, { retries: { limit: 2, backoffMs: 1000 } });
    grid.result(worker, 1, 1, boom);
    expect(grid.task(1)).toMatchObject({ phase: 'waiting', failures: 1 });
    grid.pass(500, [worker]);
    expect(grid.task(1)?.attempt).toBe(1);
    grid.pass(1000, [worker]);
    expect(grid.task(1)?.attempt).toBe(2);
    grid.result(worker, 1, 2, boom);
    grid.pass(1500, [worker]);
    expect(grid.task(1)?.attempt).toBe(2);
    grid.pass(1000, [worker]);
    const last = grid.result(worker, 1, 3, boom);
    expect(sent(last, 'finished')).toMatchObject([{ state: 'failed', failure: boom, attempt: 3 }]);
  });

  test('a task that keeps losing its workers is dead-lettered', () => {
    const grid = new CoreFixture();
    grid.worker();
    grid.submit(grid.client(), 1);
    for (let boot = 2; boot <= 7; boot += 1) grid.worker('w-1', {}, [], `b${boot}`);
    expect(grid.task(1)).toMatchObject({ phase: 'ended', attempt: 6, outcome: { state: 'failed' } });
    expect(grid.task(1)?.outcome?.failure?.code).toBe('lost.worker');
  });

  test('a task waits no longer than its queue timeout', () => {
    const grid = new CoreFixture();
    grid.submit(grid.client(), 1, { queueTimeoutMs: 3000 });
    grid.pass(3500);
    expect(grid.task(1)?.outcome?.failure?.code).toBe('unplaceable.timeout');
  });
});

describe('cancelling', () => {
  const order = { kind: 'request', id: 7, op: 'cancel', args: { task: 1 } } as const;

  test('a waiting task is cancelled at once; repeating the order changes nothing (E15)', () => {
    const grid = new CoreFixture();
    const client = grid.client();
    grid.submit(client, 1);
    const effects = grid.say(client, order);
    expect(sent(effects, 'finished')).toMatchObject([{ state: 'cancelled' }]);
    expect(sent(grid.say(client, order), 'reply')).toMatchObject([{ result: { state: 'cancelled' } }]);
    grid.worker();
    expect(grid.task(1)?.attempt).toBe(0);
  });

  test('a leased task: the wish is journaled and repeated with each heartbeat until the result', () => {
    const grid = new CoreFixture();
    const worker = grid.worker();
    const client = grid.client();
    grid.submit(client, 1, { retries: { limit: 5, backoffMs: 0 } });
    expect(sent(grid.say(client, order), 'stop')).toMatchObject([{ task: 1, leaseSeq: 1, reason: 'cancel' }]);
    expect(sent(grid.heartbeat(worker, 1, [[1, 1]]), 'stop')).toHaveLength(1);
    expect(grid.restart(true).task(1)?.cancelRequested).toBe(true);
    grid.result(worker, 1, 1, boom);
    expect(grid.task(1)?.outcome?.state).toBe('cancelled');
  });

  test('only its owner or an admin cancels a task', () => {
    const grid = new CoreFixture();
    grid.submit(grid.client('submitter', 'a', 'p-1'), 1);
    const refused = grid.say(grid.client('submitter', 'b', 'p-2'), order);
    // As if it were not there.
    expect(refused).toMatchObject([{ kind: 'lookup', task: 1, onlyOf: 'p-2' }, {}]);
    expect(grid.task(1)?.phase).toBe('waiting');
    grid.say(grid.client('admin', 'c', 'p-3'), order);
    expect(grid.task(1)?.phase).toBe('ended');
  });
});
