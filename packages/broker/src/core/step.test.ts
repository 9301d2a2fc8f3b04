import { type ExplainDocument, failure } from '@gryphgen/protocol';
import { describe, expect, test } from 'vitest';
import { CoreFixture, sent } from './core.fixture.ts';
import { decided } from './record/decisions.ts';
import { saveSnapshot } from './record/snapshot.ts';

const boom = failure('execution.exit', 'exit code 1');

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

  test('what is too large for now is passed over, and has its turn when a drained worker is resumed empty', () => {
    const grid = new CoreFixture();
    const worker = grid.worker();
    const client = grid.client();
    const order = (id: number, draining: boolean) =>
      grid.say(client, { kind: 'request', id, op: 'drain', args: { node: 'w-1', draining } });
    grid.submit(client, 1);
    grid.submit(client, 2, { resources: { cpuMilli: 4000, memoryBytes: 0, diskBytes: 0 } });
    grid.submit(client, 3);
    expect([2, 3].map((id) => grid.task(id)?.phase)).toEqual(['waiting', 'leased']);
    order(1, true);
    for (const id of [1, 3]) grid.result(worker, id);
    grid.submit(client, 4);
    order(2, false);
    expect([2, 4].map((id) => grid.task(id)?.phase)).toEqual(['leased', 'waiting']);
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

  test.each([false, true])('and it still is after a restart (through a snapshot: %s)', (throughSnapshot) => {
    const grid = new CoreFixture();
    grid.worker();
    grid.worker('w-2', { cpuMilli: 500 });
    const client = grid.client();
    grid.submit(client, 1);
    const next = grid.restart(throughSnapshot);
    const asked = { kind: 'request', id: 1, op: 'explain', args: { task: 1 } } as const;
    const [then] = sent(grid.say(client, asked), 'reply');
    const [now] = sent(next.say(next.client(), asked), 'reply');
    const was = then?.result as ExplainDocument;
    expect(now?.result).toEqual({
      ...was,
      workers: was.workers.map(({ total, scores, ...worker }) =>
        total === undefined
          ? worker
          : {
              ...worker,
              total: expect.closeTo(total, 2),
              scores: mapped(scores, (n) => expect.closeTo(n, 2)),
            },
      ),
    });
    expect(was.workers).toHaveLength(2);
  });

  test('bursts pay nothing in the journal, and keep the winner by its name', () => {
    const grid = new CoreFixture();
    grid.worker('w-1', { name: 'anvil', cpuMilli: 10_000_000, slots: 4000 });
    const client = grid.client();
    const burst = 2000;
    for (let seq = 1; seq <= burst; seq += 1) grid.submit(client, seq);
    const journaled = grid.groups.filter(([, decision]) => decision[0] === decided.leased);
    expect(journaled).toHaveLength(burst);
    const why = journaled.map(([, decision]) => decision[6]).filter((note) => note !== undefined);
    expect(why.length).toBeGreaterThan(0);
    expect(JSON.stringify(why).length).toBeLessThan(2 * 64 * 1024);
    const asked = { kind: 'request', id: 1, op: 'explain', args: { task: burst } } as const;
    const next = grid.restart();
    expect(sent(next.say(next.client(), asked), 'reply')[0]?.result).toMatchObject({
      decision: expect.stringContaining('placed on anvil by an earlier broker epoch'),
    });
  });
});

function mapped<T>(scores: Readonly<Record<string, number>> = {}, into: (score: number) => T) {
  return Object.fromEntries(Object.entries(scores).map(([term, score]) => [term, into(score)]));
}

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
