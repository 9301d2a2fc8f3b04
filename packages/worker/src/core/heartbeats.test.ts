import { defaultTimers } from '@gryphgen/protocol';
import { beforeEach, describe, expect, it } from 'vitest';
import {
  facts,
  fence,
  heartbeats,
  report,
  results,
  stopped,
  stops,
  success,
  WorkerUnderTest,
} from './worker-core.fixture.ts';

let worker: WorkerUnderTest;
const task = fence(7);
const { leaseMs, graceMs, heartbeatMs } = defaultTimers;

beforeEach(() => {
  worker = new WorkerUnderTest();
});

describe('heartbeats', () => {
  it('begin with the session, are numbered from 1 in each, and list what is held (E4)', () => {
    expect(heartbeats(worker.open())).toEqual([{ kind: 'heartbeat', seq: 1, attempts: [] }]);
    worker.run(task);
    worker.run(fence(8));
    worker.exit(fence(8));
    expect(worker.tick(heartbeatMs - 1)).toEqual([]);
    expect(heartbeats(worker.tick(1))).toEqual([
      {
        kind: 'heartbeat',
        seq: 2,
        attempts: [
          [7, 1],
          [8, 1],
        ],
      },
    ]);
    expect(heartbeats(worker.open())[0]?.seq).toBe(1);
  });

  it('carry each unacknowledged result again, until it is acknowledged (E10)', () => {
    worker.open();
    worker.run(task);
    worker.mono += 1500;
    expect(results(worker.exit(task))).toMatchObject([{ ranMs: 1500 }]);
    expect(results(worker.tick(500))).toEqual([]); // sent just now
    expect(results(worker.tick(heartbeatMs))).toHaveLength(1);
    expect(results(worker.open())).toHaveLength(1);
    expect(results(worker.tick(heartbeatMs))).toHaveLength(1);
    worker.ack(task);
    expect(results(worker.tick(heartbeatMs))).toEqual([]);
  });

  it('give every result its turn when there are many', () => {
    worker.open();
    for (let id = 1; id <= 600; id += 1) {
      worker.run(fence(id));
      worker.exit(fence(id));
    }
    const seen = new Set<number>();
    for (let beat = 0; beat < 3; beat += 1) {
      const repeated = results(worker.tick(heartbeatMs));
      expect(repeated.length).toBeLessThanOrEqual(256);
      for (const result of repeated) seen.add(result.task);
    }
    expect(seen.size).toBe(600);
  });

  it('repeat no report that the hello told: its number would be none', () => {
    worker.open();
    const sent = Array.from({ length: 20 }, () => worker.tick(heartbeatMs)).flat();
    expect(sent.filter((effect) => effect.kind === 'send' && effect.message.kind === 'report')).toEqual([]);
  });
  it('are followed by the report at times: nobody acknowledges that', () => {
    worker.open();
    worker.step({ kind: 'reportChanged', report: { ...report, cpuMilli: 1 } });
    const sent = worker
      .live(10 * heartbeatMs)
      .filter((effect) => effect.kind === 'send' && effect.message.kind === 'report');
    expect(sent).toMatchObject([{ message: { seq: 1, report: { cpuMilli: 1 } } }]);
  });

  it('that are acknowledged bring the journal head to keep', () => {
    worker.open();
    const head = { seq: 4, digest: 'ab' };
    expect(worker.hear({ kind: 'heartbeatAck', seq: 1, head })).toEqual([{ kind: 'witness', head }]);
    expect(worker.hear({ kind: 'heartbeatAck', seq: 1, head })).toEqual([]);
  });
});

describe('the lease (E12)', () => {
  it('counts from when the acknowledged heartbeat was sent, not from when the answer came', () => {
    worker.open();
    worker.run(task);
    worker.tick(heartbeatMs); // heartbeat 2, at 2000
    worker.mono += heartbeatMs - 1;
    worker.hear({ kind: 'heartbeatAck', seq: 2, head: { seq: 1, digest: '' } });
    worker.mono = heartbeatMs + leaseMs;
    expect(stops(worker.tick(0))).toEqual([]);
    expect(stops(worker.tick(1))).toMatchObject([{ graceMs: graceMs / 2, why: 'leaseLost' }]);
  });

  it('lost stops move attempts within half the grace, and leaves those that wait', () => {
    worker.open();
    worker.run(task);
    worker.run(fence(8), { onLinkLost: 'wait' });
    worker.lease(fence(9));
    const effects = worker.tick(leaseMs + 1);
    expect(stops(effects).map((stop) => stop.fence)).toEqual([task, fence(9)]);
    expect(effects).toContainEqual({
      kind: 'note',
      note: { kind: 'leaseLost', silentMs: leaseMs + 1, stopped: 2 },
    });
    expect(stops(worker.tick(500))).toEqual([]);
    expect(results(worker.exit(task, stopped))).toMatchObject([{ failure: { code: 'lost.link' } }]);
    expect(worker.phase(fence(8))).toBe('running');
  });

  it('is lost without a session too, and its results wait for the next', () => {
    worker.open();
    worker.run(task);
    worker.step({ kind: 'sessionClosed' });
    expect(stops(worker.tick(leaseMs + 1))).toHaveLength(1);
    expect(results(worker.exit(task, stopped))).toEqual([]);
    expect(worker.hello().attempts).toMatchObject([{ ...task, phase: 'ended' }]);
    worker.step({ kind: 'sessionOpened', session: 'x', epoch: task.epoch, timers: defaultTimers });
    expect(results(worker.tick(heartbeatMs)).length).toBeGreaterThan(0);
  });

  it('lost brings the kill of a politely stopped attempt forward', () => {
    worker.open();
    worker.run(task);
    worker.tick(leaseMs);
    worker.stop(task);
    expect(stops(worker.tick(1))).toMatchObject([{ graceMs: graceMs / 2, why: 'leaseLost' }]);
    expect(results(worker.exit(task, stopped))).toMatchObject([{ failure: { code: 'cancelled.user' } }]);
  });

  it('is kept by a hello that is welcomed, counted from when it was composed', () => {
    worker.open();
    worker.run(task);
    worker.mono = leaseMs - 10;
    worker.hello();
    worker.mono = leaseMs;
    worker.step({ kind: 'sessionOpened', session: 'x', epoch: task.epoch, timers: defaultTimers });
    expect(stops(worker.tick(leaseMs - 10))).toEqual([]);
    expect(stops(worker.tick(1))).toHaveLength(1);
  });

  it('is not lost by what is acknowledged in time', () => {
    worker.open();
    worker.run(task);
    expect(stops(worker.live(10 * leaseMs))).toEqual([]);
  });
});

describe('a timeout', () => {
  it('counts from the start and ends the attempt in words', () => {
    worker.open();
    worker.lease(task, { timeoutMs: 60_000 });
    worker.live(90_000);
    worker.step({ kind: 'started', fence: task });
    expect(stops(worker.live(59_500))).toEqual([]);
    expect(stops(worker.live(500))).toMatchObject([{ graceMs: 10_000, why: 'timeout' }]);
    const [result] = results(worker.exit(task, stopped));
    expect(result?.failure).toEqual({
      code: 'execution.timeout',
      message: 'ran longer than its timeout of 1 m 0 s',
    });
  });

  it('goes on counting over a restart of the worker', () => {
    const found = { phase: 'running', ranMs: 50_000 } as const;
    worker.step({
      kind: 'adopted',
      attempts: [{ fence: task, facts: { ...facts, timeoutMs: 60_000 }, stopping: null, found }],
    });
    worker.open();
    expect(stops(worker.live(9500))).toEqual([]);
    expect(stops(worker.live(500))).toMatchObject([{ why: 'timeout' }]);
  });

  it('that ran out while no worker watched is told as one', () => {
    const killed = { ...success, exitCode: 137 };
    const found = { phase: 'ended', ranMs: 60_001, exit: killed } as const;
    worker.step({
      kind: 'adopted',
      attempts: [{ fence: task, facts: { ...facts, timeoutMs: 60_000 }, stopping: null, found }],
    });
    expect(results(worker.open())).toMatchObject([{ failure: { code: 'execution.timeout' }, ranMs: 60_001 }]);
  });
});
