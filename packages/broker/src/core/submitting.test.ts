import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { CoreFixture, leases, report, sent } from './core.fixture.ts';

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

  test('what no worker could ever take is refused, whoever asked for its like before', () => {
    const grid = new CoreFixture();
    const client = grid.client();
    const huge = { resources: { cpuMilli: 10_000_000, memoryBytes: 0, diskBytes: 0 } };
    // Nobody is there yet who could not take it.
    expect(sent(grid.submit(client, 1, huge), 'accepted')).toMatchObject([{ task: 1 }]);
    grid.worker('w-1', { cpuMilli: 4000 });
    expect(sent(grid.submit(client, 2, huge), 'refused')).toMatchObject([{ seq: 2 }]);
    const big = grid.worker('w-2', { cpuMilli: 20_000_000 });
    expect(sent(grid.submit(client, 3, huge), 'accepted')).toMatchObject([{ seq: 3 }]);
    for (const id of [1, 2]) grid.result(big, id);
    const less = { ...report({ name: 'w-2' }), cpuMilli: 4000 };
    grid.say(big, { kind: 'report', seq: 1, report: less });
    expect(sent(grid.submit(client, 4, huge), 'refused')).toMatchObject([{ seq: 4 }]);
    expect(sent(grid.submit(client, 5), 'accepted')).toMatchObject([{ seq: 5 }]);
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
    const late = sent(grid.submit(client, 1, {}, { floor: 1 }), 'refused');
    expect(late).toMatchObject([{ seq: 1, failure: { code: 'rejected.state' } }]);
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

  test('whoever submits a key again hears of the end, as it comes or as it was (E7)', () => {
    const grid = new CoreFixture();
    const worker = grid.worker();
    grid.submit(grid.client('admin', 'c1'), 1, {}, { key: 'nightly' });
    const other = grid.client('admin', 'c2');
    grid.submit(other, 1, {}, { key: 'nightly' });
    const ended = sent(grid.result(worker, 1), 'finished');
    expect(ended).toHaveLength(2);
    expect(sent(grid.submit(other, 2, {}, { key: 'nightly' }), 'finished')).toMatchObject([{ task: 1 }]);
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
    expect(sent(grid.submit(client, 2, { durable: false }), 'accepted')).toHaveLength(1);
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
    expect(grid.result(viewer, 1)).toMatchObject([{ kind: 'close' }, { kind: 'answered' }]);
    expect(grid.state.sessions.has(viewer)).toBe(false);
  });
});

test('a client name counts within its principal', () => {
  const grid = new CoreFixture();
  grid.submit(grid.client('admin', 'c1', 'p-1'), 1);
  const stranger = grid.client('admin', 'c1', 'p-2');
  expect(sent(grid.submit(stranger, 1), 'accepted')).toMatchObject([{ task: 2 }]);
});

test('a refusal stands: a repeat that was under way is not taken after the reason has passed (E5)', () => {
  const grid = new CoreFixture();
  const client = grid.client();
  grid.step({ kind: 'journalStalled', stalled: true });
  grid.submit(client, 1);
  grid.step({ kind: 'journalStalled', stalled: false });
  expect(sent(grid.submit(client, 1), 'refused')[0]?.failure.code).toBe('unplaceable.journal');
  expect(grid.state.tasks.size).toBe(0);
  expect(sent(grid.submit(client, 2, {}, { floor: 2 }), 'accepted')).toHaveLength(1);
  expect(grid.state.sessions.get(client)?.refused.size).toBe(0);
});

test('every submission is answered once, however a client numbers them: its credit comes back with the answer (E3)', () => {
  const submission = fc.record({
    seq: fc.integer({ min: 1, max: 8 }),
    floor: fc.integer({ min: 0, max: 10 }),
    key: fc.constantFrom('', 'k'),
    body: fc.constantFrom('b', 'other'),
    durable: fc.boolean(),
  });
  fc.assert(
    fc.property(fc.array(submission, { maxLength: 30 }), (submissions) => {
      const grid = new CoreFixture();
      const client = grid.client();
      for (const { seq, durable, ...more } of submissions) {
        const effects = grid.submit(client, seq, { durable }, more);
        expect([...sent(effects, 'accepted'), ...sent(effects, 'refused')]).toHaveLength(1);
      }
    }),
  );
});
