import type { WorkerId } from '@gryphgen/protocol';
import { describe, expect, test } from 'vitest';
import { CoreFixture, leases, sent } from '../core.fixture.ts';

const nothing = { cpuMilli: 0, memoryBytes: 0, diskBytes: 0, devices: [] };
const held = { ...nothing, cpuMilli: 3000 };
const fenced = (task: number, phase: 'running' | 'ended') =>
  ({ task, attempt: 1, epoch: 1, phase, reservation: held }) as never;

test('a fenced attempt that has ended holds nothing; one that runs is a ghost (E14)', () => {
  const grid = new CoreFixture();
  grid.worker('w-1', {}, [fenced(7, 'ended'), fenced(8, 'running'), fenced(9, 'ended')]);
  const worker = [...grid.state.workers.values()][0];
  expect(worker?.view.ledger).toMatchObject({ attempts: 1, cpuMilli: 3000 });
  expect([...(worker?.ghosts.keys() ?? [])]).toEqual(['1.8.1']);
});

test('a ghost is told to end with each heartbeat that lists it', () => {
  const grid = new CoreFixture();
  const session = grid.worker('w-1', {}, [fenced(8, 'running')]);
  expect(sent(grid.heartbeat(session, 1, [[8, 1]]), 'stop')).toMatchObject([{ task: 8, reason: 'drop' }]);
  expect(sent(grid.heartbeat(session, 2, []), 'stop')).toEqual([]);
  expect([...grid.state.workers.values()][0]?.view.ledger.attempts).toBe(0);
});

test('an attempt that was prepared and never started is dropped and lost: another has to begin (E11)', () => {
  const grid = new CoreFixture();
  grid.worker();
  grid.submit(grid.client(), 1);
  const held = {
    task: 1,
    attempt: 1,
    epoch: 1,
    phase: 'held',
    reservation: { ...nothing, cpuMilli: 1000 },
  } as never;
  const before = grid.effects.length;
  const session = grid.worker('w-1', {}, [held], 'b2');
  expect(sent(grid.effects.slice(before), 'stop')).toMatchObject([{ task: 1, attempt: 1, reason: 'drop' }]);
  grid.pass(10_000, [session]);
  expect(leases(grid.effects.slice(before))).toMatchObject([{ attempt: 2 }]);
});

describe('a worker that says hello again before it heard the welcome (E11)', () => {
  const taken = { task: 1, attempt: 1, epoch: 1 } as never;

  test('is sent again what was leased to it meanwhile: nothing is lost', () => {
    const grid = new CoreFixture();
    const client = grid.client();
    const unheard = grid.worker();
    expect(leases(grid.submit(client, 1))).toMatchObject([{ session: unheard, attempt: 1, leaseSeq: 1 }]);
    const before = grid.effects.length;
    const session = grid.worker();
    expect(leases(grid.effects.slice(before))).toMatchObject([{ session, attempt: 1, leaseSeq: 1 }]);
    expect(grid.task(1)).toMatchObject({ losses: 0, attempt: 1, phase: 'leased' });
    expect(grid.state.views[0]?.reliability).toBe(1);
    grid.result(session, 1);
    expect(grid.state.counters.succeeded).toBe(1);
  });

  test('has lost it where it is another life, or had said that it runs', () => {
    for (const begun of [false, true]) {
      const grid = new CoreFixture();
      const client = grid.client();
      const session = grid.worker();
      grid.submit(client, 1);
      if (begun) grid.say(session, { kind: 'started', ...(taken as object) } as never);
      const before = grid.effects.length;
      grid.worker('w-1', {}, [], begun ? 'b1' : 'b2');
      expect(leases(grid.effects.slice(before))).toMatchObject([{ attempt: 2 }]);
      expect(grid.task(1)?.losses).toBe(1);
    }
  });

  test('is not sent what is to end: that ends', () => {
    const grid = new CoreFixture();
    const client = grid.client();
    grid.worker();
    grid.submit(client, 1);
    grid.say(client, { kind: 'request', id: 1, op: 'cancel', args: { task: 1 } });
    const before = grid.effects.length;
    grid.worker();
    expect(leases(grid.effects.slice(before))).toEqual([]);
    expect(grid.state.counters.cancelled).toBe(1);
  });
});

test('two fenced attempts of one number are two ghosts: both are told to end, both hold what they hold (E14)', () => {
  const grid = new CoreFixture(4);
  const of = (epoch: number) =>
    ({ task: 8, attempt: 1, epoch, phase: 'running', reservation: held }) as never;
  const session = grid.worker('w-1', { cpuMilli: 8000 }, [of(2), of(3)]);
  const ledger = [...grid.state.workers.values()][0]?.view.ledger;
  expect(ledger).toMatchObject({ attempts: 2, cpuMilli: 6000 });
  const stops = sent(grid.heartbeat(session, 1, [[8, 1]]), 'stop');
  expect(stops.map(({ epoch }) => epoch)).toEqual([2, 3]);
  grid.heartbeat(session, 2, []);
  expect(ledger).toMatchObject({ attempts: 0, cpuMilli: 0 });
});

test('a worker that comes back under another name is known by it from then on, restarts included', () => {
  const grid = new CoreFixture();
  const client = grid.client();
  grid.worker('w-1', { name: 'forge' });
  grid.worker('w-1', { name: 'anvil' });
  const nameIn = ({ state }: CoreFixture) => state.workers.get('w-1' as WorkerId)?.view.name;
  expect([nameIn(grid), nameIn(grid.restart()), nameIn(grid.restart(true))]).toEqual([
    'anvil',
    'anvil',
    'anvil',
  ]);
  const ask = (id: number, node: string) =>
    sent(grid.say(client, { kind: 'request', id, op: 'drain', args: { node, draining: true } }), 'reply')[0];
  expect(ask(1, 'forge')?.failure?.code).toBe('rejected.not-found');
  expect(ask(2, 'anvil')?.failure).toBeNull();
  const decided = grid.groups.length;
  grid.worker('w-1', { name: 'anvil' });
  expect(grid.groups.length).toBe(decided);
});

describe('a body that is lost', () => {
  const why = 'the journal has no body b';
  const missing = { kind: 'bodyMissing', task: 1 as never, attempt: 1 as never, why } as const;

  test('ends its task, told in words, and holds the room until the worker does not list the attempt', () => {
    const grid = new CoreFixture();
    const [worker, client] = [grid.worker(), grid.client()];
    grid.submit(client, 1, { retries: { limit: 5, backoffMs: 0 } });
    const effects = grid.step(missing);
    expect(sent(effects, 'finished')).toMatchObject([
      { task: 1, state: 'failed', failure: { code: 'internal.bug', message: expect.stringContaining(why) } },
    ]);
    expect(sent(grid.heartbeat(worker, 1, [[1, 1]]), 'stop')).toMatchObject([{ task: 1, reason: 'drop' }]);
    expect(grid.state.views[0]?.ledger.attempts).toBe(1);
    grid.heartbeat(worker, 2);
    expect(grid.state.views[0]?.ledger.attempts).toBe(0);
  });
  test('changes nothing for an attempt that runs, or has moved on', () => {
    const grid = new CoreFixture();
    const [worker, client] = [grid.worker(), grid.client()];
    grid.submit(client, 1);
    grid.say(worker, { kind: 'started', task: 1 as never, attempt: 1 as never, epoch: 1 as never });
    expect(grid.step(missing)).toEqual([]);
    expect(grid.step({ ...missing, attempt: 2 as never })).toEqual([]);
    expect(grid.task(1)?.phase).toBe('running');
  });
});
