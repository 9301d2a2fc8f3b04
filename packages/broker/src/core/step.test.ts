import { failure } from '@gryphgen/protocol';
import { describe, expect, test } from 'vitest';
import { CoreFixture, leases, sent } from './core.fixture.ts';
import { saveSnapshot } from './snapshot.ts';

const boom = failure('execution.exit', 'exit code 1');
const reservation = { cpuMilli: 1000, memoryBytes: 0, diskBytes: 0, devices: [] };

describe('submitting', () => {
  test('a submission is accepted, placed and told of its end (E5, E7)', () => {
    const grid = new CoreFixture();
    const worker = grid.worker();
    const client = grid.client();
    const effects = grid.submit(client, 1);
    expect(sent(effects, 'accepted')).toEqual([{ kind: 'accepted', seq: 1, task: 1 }]);
    expect(leases(effects)).toMatchObject([
      { session: worker, attempt: 1, leaseSeq: 1, floor: 1, gated: true },
    ]);
    const ended = grid.result(worker, 1);
    expect(sent(ended, 'finished')).toMatchObject([{ task: 1, state: 'succeeded', exitCode: 0 }]);
    expect(sent(ended, 'resultAck')).toMatchObject([{ task: 1, attempt: 1 }]);
    expect(grid.state.workers.get('w-1' as never)?.view.ledger.cpuMilli).toBe(0);
  });

  test('the same number of the same client makes one task, also after a restart (E5)', () => {
    const grid = new CoreFixture();
    grid.submit(grid.client(), 1);
    const again = grid.submit(grid.client(), 1);
    expect(sent(again, 'accepted')).toMatchObject([{ task: 1 }]);
    for (const throughSnapshot of [false, true]) {
      const next = grid.restart(throughSnapshot);
      const answer = next.submit(next.client(), 1);
      expect(sent(answer, 'accepted')).toMatchObject([{ task: 1 }]);
      expect(next.state.tasks.size).toBe(1);
    }
  });

  test('submissions below the floor are forgotten and never made again', () => {
    const grid = new CoreFixture();
    const client = grid.client();
    grid.submit(client, 1);
    grid.submit(client, 2, {}, { floor: 2 });
    expect(grid.state.clients.get('p-1 c1' as never)?.tasks.size).toBe(1);
    expect(grid.submit(client, 1, {}, { floor: 1 })).toEqual([]);
    expect(grid.state.tasks.size).toBe(2);
  });

  test('a key makes one task across clients, restarts and the end of the task (E6)', () => {
    const grid = new CoreFixture();
    const worker = grid.worker();
    grid.submit(grid.client('admin', 'c1'), 1, {}, { key: 'nightly' });
    grid.result(worker, 1);
    for (const throughSnapshot of [false, true]) {
      const next = grid.restart(throughSnapshot);
      const other = next.client('admin', 'c2');
      expect(sent(next.submit(other, 1, {}, { key: 'nightly' }), 'accepted')).toMatchObject([{ task: 1 }]);
      const conflict = next.submit(other, 2, {}, { key: 'nightly', body: 'other' });
      expect(sent(conflict, 'refused')[0]?.failure.code).toBe('rejected.key-conflict');
      const stranger = next.client('admin', 'c3', 'p-2');
      expect(sent(next.submit(stranger, 1, {}, { key: 'nightly' }), 'accepted')).toMatchObject([{ task: 2 }]);
    }
  });

  test('a key is forgotten after its time, not while its task lives', () => {
    const grid = new CoreFixture();
    const client = grid.client();
    grid.submit(client, 1, {}, { key: 'a' });
    grid.wall += 25 * 3600_000;
    grid.step({ kind: 'tick' });
    expect(grid.state.keys.size).toBe(1);
    grid.say(client, { kind: 'request', id: 1, op: 'cancel', args: { task: 1 } });
    grid.step({ kind: 'tick' });
    expect(grid.state.keys.size).toBe(0);
    expect(grid.restart().state.keys.size).toBe(0);
  });

  test('what can never be placed is refused at once, with the reason', () => {
    const grid = new CoreFixture();
    grid.worker();
    const effects = grid.submit(grid.client(), 1, {
      resources: { cpuMilli: 64_000, memoryBytes: 0, diskBytes: 0 },
    });
    expect(sent(effects, 'refused')[0]?.failure).toMatchObject({ code: 'rejected.impossible' });
    expect(grid.state.tasks.size).toBe(0);
  });

  test('with the journal stalled only ephemeral tasks are taken', () => {
    const grid = new CoreFixture();
    const client = grid.client();
    grid.step({ kind: 'journalStalled', stalled: true });
    expect(sent(grid.submit(client, 1), 'refused')[0]?.failure.code).toBe('unplaceable.journal');
    expect(sent(grid.submit(client, 1, { durable: false }), 'accepted')).toHaveLength(1);
  });

  test('roles: a viewer submits nothing, a worker sends no requests, a client no results (invariant 8)', () => {
    const grid = new CoreFixture();
    const viewer = grid.client('viewer', 'v');
    expect(sent(grid.submit(viewer, 1), 'refused')[0]?.failure.code).toBe('rejected.forbidden');
    const drain = grid.say(viewer, {
      kind: 'request',
      id: 1,
      op: 'drain',
      args: { node: 'w-1', draining: true },
    });
    expect(sent(drain, 'reply')[0]?.failure?.code).toBe('rejected.forbidden');
    const worker = grid.worker();
    const asked = grid.say(worker, { kind: 'request', id: 1, op: 'ps', args: {} });
    expect(sent(asked, 'reply')[0]?.failure?.code).toBe('rejected.forbidden');
    expect(grid.result(viewer, 1)).toMatchObject([{ kind: 'close' }]);
    expect(grid.state.sessions.has(viewer)).toBe(false);
  });
});

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
    expect(sent(refused, 'reply')[0]?.failure?.code).toBe('rejected.forbidden');
    grid.say(grid.client('admin', 'c', 'p-3'), order);
    expect(grid.task(1)?.phase).toBe('ended');
  });
});

describe('order, drain, explanation', () => {
  test('higher priority first, then first come first served across shapes', () => {
    const grid = new CoreFixture();
    const client = grid.client();
    grid.submit(client, 1, { resources: { cpuMilli: 4000, memoryBytes: 0, diskBytes: 0 } });
    grid.submit(client, 2, { resources: { cpuMilli: 4000, memoryBytes: 1, diskBytes: 0 } });
    grid.submit(client, 3, { resources: { cpuMilli: 4000, memoryBytes: 0, diskBytes: 0 } });
    grid.submit(client, 4, { priority: 5, resources: { cpuMilli: 4000, memoryBytes: 0, diskBytes: 0 } });
    const worker = grid.worker();
    const order: number[] = [];
    for (let n = 0; n < 4; n += 1) {
      const running = [...(grid.state.workers.get('w-1' as never)?.tasks ?? [])][0] as number;
      order.push(running);
      grid.result(worker, running);
    }
    expect(order).toEqual([4, 1, 2, 3]);
  });

  test('a draining worker gets nothing new, and stays draining over a restart (E17)', () => {
    const grid = new CoreFixture();
    grid.worker();
    const client = grid.client();
    grid.say(client, { kind: 'request', id: 1, op: 'drain', args: { node: 'w-1', draining: true } });
    grid.submit(client, 1);
    expect(grid.task(1)?.phase).toBe('waiting');
    const [answer] = sent(
      grid.say(client, { kind: 'request', id: 2, op: 'explain', args: { task: 1 } }),
      'reply',
    );
    expect(answer?.result).toMatchObject({ when: 'now', workers: [{ worker: 'w-1', feasible: false }] });
    expect(grid.restart(true).state.views[0]?.draining).toBe(true);
    grid.say(client, { kind: 'request', id: 3, op: 'drain', args: { node: 'w-1', draining: false } });
    expect(grid.task(1)?.phase).toBe('leased');
  });

  test('a placed task is explained by the decision as it was taken', () => {
    const grid = new CoreFixture();
    grid.worker();
    grid.worker('w-2', { cpuMilli: 500 });
    const client = grid.client();
    grid.submit(client, 1);
    const ask = () =>
      sent(grid.say(client, { kind: 'request', id: 1, op: 'explain', args: { task: 1 } }), 'reply')[0]
        ?.result;
    const first = ask();
    expect(first).toMatchObject({
      when: 'placed',
      workers: expect.arrayContaining([expect.objectContaining({ worker: 'w-2', feasible: false })]),
    });
    grid.worker('w-3');
    expect(ask()).toEqual(first);
  });
});

describe('ephemeral tasks', () => {
  test('leave no record, and nothing of them is known to the next epoch (E18)', () => {
    const grid = new CoreFixture();
    const worker = grid.worker();
    const client = grid.client();
    const before = grid.groups.length;
    grid.submit(client, 1, { durable: false });
    const id = [...grid.state.tasks.keys()][0] as number;
    expect(grid.groups.length).toBe(before);
    const next = grid.restart();
    const watch = next.say(next.client(), { kind: 'watch', tasks: [id as never], progress: false });
    expect(sent(watch, 'finished')).toMatchObject([{ state: 'failed', failure: { code: 'lost.broker' } }]);
    grid.result(worker, id);
    expect(grid.groups.length).toBe(before);
    expect(grid.task(id)?.outcome?.state).toBe('succeeded');
  });
});

test('replaying the journal makes the decided state, with or without a snapshot', () => {
  const grid = new CoreFixture();
  const worker = grid.worker();
  const client = grid.client();
  for (let seq = 1; seq <= 9; seq += 1)
    grid.submit(
      client,
      seq,
      { retries: { limit: seq % 2, backoffMs: 100 } },
      { key: seq % 3 ? '' : `k${seq}` },
    );
  grid.result(worker, 1);
  grid.result(worker, 2, 1, boom);
  grid.result(worker, 3, 1, boom);
  grid.say(client, { kind: 'request', id: 1, op: 'cancel', args: { task: 4 } });
  const plain = saveSnapshot(grid.restart().state);
  expect(saveSnapshot(grid.restart(true).state)).toEqual(plain);
  expect(plain.nextTask).toBe(10);
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

test('a client name counts within its principal', () => {
  const grid = new CoreFixture();
  grid.submit(grid.client('admin', 'c1', 'p-1'), 1);
  const stranger = grid.client('admin', 'c1', 'p-2');
  expect(sent(grid.submit(stranger, 1), 'accepted')).toMatchObject([{ task: 2 }]);
});
