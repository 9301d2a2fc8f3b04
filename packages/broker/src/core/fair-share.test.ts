/** Whose turn it is: by priority as it has risen, by what each principal has had, by age. */
import type { PrincipalId, PrincipalLimits, SessionId } from '@gryphgen/protocol';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { CoreFixture } from './core.fixture.ts';
import { explainDocument } from './placing/explaining.ts';
import { type Candidate, TurnOrder } from './placing/turn-order.ts';
import { PrincipalUse, useHalfLifeMs } from './principals/principal-use.ts';
import type { Task } from './state.ts';

const [one, two] = ['p-1', 'p-2'] as PrincipalId[] as [PrincipalId, PrincipalId];
const minute = 60_000;

function gridOf(limits: Record<string, PrincipalLimits> = {}): CoreFixture {
  return new CoreFixture(1, {
    everybody: {},
    named: new Map(Object.entries(limits) as [PrincipalId, PrincipalLimits][]),
  });
}

/** Ends what has been placed longest, after it ran so long. */
function endOldest(grid: CoreFixture, worker: SessionId, ranMs: number): Task {
  grid.mono += ranMs;
  grid.wall += ranMs;
  const running = [...grid.state.tasks.values()].filter(({ lease }) => lease !== null);
  const [task] = running.sort((a, b) => (a.lease?.leasedAt ?? 0) - (b.lease?.leasedAt ?? 0) || a.id - b.id);
  if (task === undefined) throw new Error('nothing runs');
  grid.heartbeat(worker, (grid.state.sessions.get(worker)?.heartbeatSeq ?? 0) + 1);
  grid.result(worker, task.id, task.attempt);
  return task;
}

const runningOf = (grid: CoreFixture, principal: PrincipalId): number =>
  grid.state.shares.get(principal)?.running ?? 0;

describe('fair share', () => {
  test('who submits little does not wait behind who has submitted much', () => {
    const grid = gridOf();
    grid.worker('w-1', { slots: 4 });
    const [many, few] = [grid.client('submitter'), grid.client('submitter', 'c2', two)];
    for (let seq = 1; seq <= 100; seq += 1) grid.submit(many, seq);
    for (const seq of [1, 2]) grid.submit(few, seq);
    const worker = grid.state.workers.get('w-1' as never)?.session as SessionId;
    endOldest(grid, worker, minute);
    endOldest(grid, worker, minute);
    expect(runningOf(grid, two)).toBe(2);
  });

  test.each([
    [1, 1],
    [3, 1],
    [1, 4],
  ])('over time each has its part by weight, %d to %d', (a, b) => {
    const grid = gridOf({ [one]: { weight: a }, [two]: { weight: b } });
    const worker = grid.worker('w-1', { slots: 1 });
    const clients = [grid.client('submitter'), grid.client('submitter', 'c2', two)];
    for (const client of clients) for (let seq = 1; seq <= 300; seq += 1) grid.submit(client, seq);
    const had = new Map([
      [one, 0],
      [two, 0],
    ]);
    for (let turn = 0; turn < 200; turn += 1) {
      const { principal } = endOldest(grid, worker, minute);
      had.set(principal, (had.get(principal) ?? 0) + 1);
    }
    expect((had.get(one) ?? 0) / 200).toBeCloseTo(a / (a + b), 1);
  });

  test('what counts is how much of the grid was held and for how long, and a restart forgets nothing of it', () => {
    const grid = gridOf();
    const worker = grid.worker('w-1', { cpuMilli: 4000 });
    const clients = [grid.client('submitter'), grid.client('submitter', 'c2', two)] as const;
    const cpu = (cpuMilli: number) => ({ resources: { cpuMilli, memoryBytes: 0, diskBytes: 0 } });
    grid.submit(clients[0], 1, cpu(1000));
    grid.submit(clients[1], 1, { ...cpu(2000), durable: false });
    grid.wall += useHalfLifeMs;
    for (const task of [...grid.state.tasks.values()]) grid.result(worker, task.id);
    const { use, ephemeralUse } = grid.state;
    expect(use.average(one, grid.wall)).toBeCloseTo(125_000);
    expect(ephemeralUse.average(two, grid.wall)).toBeCloseTo(250_000);
    expect(use.average(one, grid.wall + useHalfLifeMs)).toBeCloseTo(62_500);
    for (const throughSnapshot of [false, true])
      expect(grid.restart(throughSnapshot).state.use.average(one, grid.wall)).toBe(
        use.average(one, grid.wall),
      );
  });

  test('is told by explain', () => {
    const grid = gridOf({ [one]: { weight: 2 } });
    grid.worker('w-1', { slots: 1 });
    const client = grid.client('submitter');
    for (const seq of [1, 2]) grid.submit(client, seq);
    grid.wall += useHalfLifeMs;
    const { turn } = explainDocument(grid.state, grid.task(2) as Task, grid.wall);
    expect(turn).toEqual({
      priority: 0,
      agedPriority: 40,
      waitedMs: useHalfLifeMs,
      use: 0.125,
      weight: 2,
      yieldsMs: 0,
    });
  });
});

describe('those for whom one principal asks', () => {
  const asked = (party: string, over = {}) => ({ durable: false, party, ...over });

  test.each([1, 4])('have as much of %d places each, however many of one wait', (slots) => {
    const grid = gridOf();
    const worker = grid.worker('w-1', { slots });
    const client = grid.client('submitter');
    for (let seq = 1; seq <= 100; seq += 1) grid.submit(client, seq, asked('greedy'));
    for (let turn = 0; turn < 20; turn += 1) endOldest(grid, worker, 1000);
    for (let seq = 101; seq <= 150; seq += 1) grid.submit(client, seq, asked('modest'));
    const had = new Map<string, number>();
    for (let turn = 0; turn < 60; turn += 1) {
      const { party = '' } = endOldest(grid, worker, 1000).spec.envelope;
      had.set(party, (had.get(party) ?? 0) + 1);
    }
    expect(had.get('modest')).toBeGreaterThanOrEqual(27);
    expect(had.get('greedy')).toBeGreaterThanOrEqual(20);
  });

  test('are one to what is between principals, and to priorities', () => {
    const grid = gridOf();
    const worker = grid.worker('w-1', { slots: 1 });
    const [one, other] = [grid.client('submitter'), grid.client('submitter', 'c2', two)];
    grid.submit(one, 1, asked('a'));
    for (const seq of [2, 3]) grid.submit(one, seq, asked('b'));
    grid.submit(one, 4, asked('a', { priority: 1 }));
    grid.submit(other, 1, asked('a'));
    const parties = [];
    for (let turn = 0; turn < 5; turn += 1) {
      const { principal, spec } = endOldest(grid, worker, 1000);
      parties.push(`${principal} ${spec.envelope.party}`);
    }
    expect(parties).toEqual(['p-1 a', 'p-1 a', 'p-2 a', 'p-1 b', 'p-1 b']);
  });
});

describe('aging', () => {
  test('nothing waits for ever behind a stream of higher priority', () => {
    const grid = gridOf();
    const worker = grid.worker('w-1', { slots: 1 });
    const client = grid.client('submitter');
    let seq = 0;
    const urgent = () => grid.submit(client, ++seq, { priority: 100 });
    urgent();
    grid.submit(client, ++seq, { priority: -100 });
    const low = grid.task(2) as Task;
    let turns = 0;
    for (; low.phase === 'waiting' && turns < 2000; turns += 1) {
      urgent();
      endOldest(grid, worker, 20 * minute);
    }
    // By then it has as much, and is older.
    expect(turns).toBe(20 * 3);
  });

  test('a long line does not rise above others because it is long', () => {
    const grid = gridOf();
    const worker = grid.worker('w-1', { slots: 1 });
    const client = grid.client('submitter');
    for (let seq = 1; seq <= 50; seq += 1) grid.submit(client, seq);
    for (let turn = 0; turn < 20; turn += 1) endOldest(grid, worker, 50 * minute);
    grid.submit(client, 51, { priority: 1 });
    endOldest(grid, worker, 50 * minute);
    expect(grid.task(51)?.phase).toBe('leased');
  });
});

test('what was used is the integral of what was held, however it is cut into leases', () => {
  const step = fc.record({
    ms: fc.integer({ min: 0, max: 3 * useHalfLifeMs }),
    part: fc.integer({ min: 1, max: 10 ** 6 }),
  });
  fc.assert(
    fc.property(fc.array(step, { maxLength: 20 }), (steps) => {
      const use = new PrincipalUse();
      const rate = Math.LN2 / useHalfLifeMs;
      let [wall, expected, held] = [1, 0, 0];
      for (const { ms, part } of steps) {
        // Each lease is held until after the next has begun: parts overlap.
        use.hold(one, part, wall);
        if (held > 0) use.hold(one, -held, wall);
        held = part;
        expected = expected * Math.exp(-rate * ms) + part * (1 - Math.exp(-rate * ms));
        wall += ms;
        expect(use.average(one, wall)).toBeCloseTo(expected, 3);
      }
      const copy = new PrincipalUse();
      if (held > 0) copy.hold(one, held, 1);
      copy.load(structuredClone(use.save()));
      expect(copy.standing(one, wall + 1)).toBe(use.standing(one, wall + 1));
    }),
  );
});

test('the order of turns is the order of priority, standing, that of the party, what counts as age, and age, at each moment', () => {
  const few = { principal: fc.nat(3), party: fc.nat(2), priority: fc.nat(2), next: fc.nat(3) };
  const row = fc.record({ ...few, turn: fc.nat(1000) });
  fc.assert(
    fc.property(fc.uniqueArray(row, { selector: ({ turn }) => turn, maxLength: 40 }), (rows) => {
      const standings = [0, 0, 0, 0];
      const ofParties = new Map<string, number>();
      const ofParty = (principal: string, party: string) => ofParties.get(principal + party) ?? 0;
      const candidate = (who: number, party: string, priority: number, turn: number) =>
        ({
          from: { party },
          priority,
          dueAt: turn % 5,
          task: { principal: `p-${who}`, turn, id: turn },
        }) as unknown as Candidate;
      const waits = rows.map(({ principal, party, priority, turn }) =>
        candidate(principal, party === 0 ? '' : `k${party}`, priority, turn),
      );
      const partyOf = ({ task, from }: Candidate) => ofParty(task.principal, from.party);
      const whoOf = ({ task }: Candidate) => Number(task.principal.slice(2));
      const of = (principal: PrincipalId) => standings[Number(principal.slice(2))] as number;
      const order = new TurnOrder({ of, ofParty }, waits);
      const left = new Set(waits);
      for (const { next } of rows) {
        if (left.size === 0) break;
        const first = [...left].sort(
          (a, b) =>
            b.priority - a.priority ||
            (standings[whoOf(a)] as number) - (standings[whoOf(b)] as number) ||
            partyOf(a) - partyOf(b) ||
            a.dueAt - b.dueAt ||
            a.task.turn - b.task.turn,
        )[0] as Candidate;
        const taken = order.pop() as Candidate;
        expect(taken).toBe(first);
        left.delete(taken);
        const { party } = taken.from;
        standings[whoOf(taken)] = (standings[whoOf(taken)] as number) + (next & 2);
        ofParties.set(taken.task.principal + party, partyOf(taken) + next);
        if (next === 3 && taken.task.turn < 2000) {
          const [lower, later] = [Math.max(0, taken.priority - 1), taken.task.turn + 2000];
          const again = candidate(whoOf(taken), party, lower, later);
          order.push(again);
          left.add(again);
        }
        if (next === 2) {
          order.keep(({ task }) => task.turn % 7 !== 0);
          for (const one of left) if (one.task.turn % 7 === 0) left.delete(one);
        }
        expect(order.size).toBe(left.size);
      }
    }),
  );
});
