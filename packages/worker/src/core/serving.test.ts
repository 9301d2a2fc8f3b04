/** E23 on the worker's side: what its services say, when the broker hears of it, and the end of one that is unhealthy. */
import type { Health, PublishedPort } from '@gryphgen/protocol';
import { defaultTimers } from '@gryphgen/protocol';
import { beforeEach, describe, expect, it } from 'vitest';
import type { WorkerEffect } from './effects.ts';
import { fence, results, stopped, stops, WorkerUnderTest } from './worker-core.fixture.ts';

const ports: readonly PublishedPort[] = [
  { name: 'web', port: 80, protocol: 'tcp', bind: 'all', hostPort: 49_153 },
];
const task = fence(7);
let worker: WorkerUnderTest;
beforeEach(() => {
  worker = new WorkerUnderTest();
  worker.open();
});

const turn = (state: Health['state'], words = '', of = task) =>
  worker.step({ kind: 'served', fence: of, service: { ports, health: { state, words } } });
const told = (effects: readonly WorkerEffect[]) =>
  effects.flatMap((effect) =>
    effect.kind === 'send' && effect.message.kind === 'served' ? [effect.message] : [],
  );

describe('a service', () => {
  it('is told of at once when its ports are known and when its health changes, under a growing number', () => {
    worker.run(task);
    expect(told(turn('starting'))).toEqual([
      { kind: 'served', ...task, seq: 1, ports, health: { state: 'starting', words: '' } },
    ]);
    expect(told(turn('healthy'))).toMatchObject([{ seq: 2, health: { state: 'healthy' } }]);
  });

  it('has the words of each check told with the repetition alone, after ten heartbeats', () => {
    worker.run(task);
    turn('healthy');
    expect(told(turn('healthy', 'answered 500'))).toEqual([]);
    expect(told(worker.live(9 * defaultTimers.heartbeatMs))).toEqual([]);
    expect(told(worker.live(2 * defaultTimers.heartbeatMs))).toMatchObject([
      { seq: 2, health: { words: 'answered 500' } },
    ]);
  });

  it('is told of again in a new session, and not after its end', () => {
    worker.run(task);
    turn('healthy');
    expect(told(worker.open())).toMatchObject([{ seq: 1 }]);
    worker.exit(task);
    expect(told(worker.open())).toEqual([]);
  });

  it('is told of once there is a session, when there is none', () => {
    worker.run(task);
    worker.step({ kind: 'sessionClosed' });
    expect(turn('starting')).toEqual([]);
    expect(told(worker.open())).toMatchObject([{ seq: 1 }]);
  });

  it('that is unhealthy is ended, with its grace, and fails in the words of its last check', () => {
    worker.run(task, { stopGraceMs: 3000 });
    turn('healthy');
    const effects = turn('unhealthy', 'answered 500');
    expect(told(effects)).toMatchObject([{ health: { state: 'unhealthy' } }]);
    expect(stops(effects)).toMatchObject([{ fence: task, graceMs: 3000, why: 'unhealthy' }]);
    expect(stops(turn('unhealthy', 'answered 500'))).toEqual([]);
    expect(results(worker.exit(task, stopped))).toMatchObject([
      { failure: { code: 'execution.unhealthy', message: 'ended because it was unhealthy: answered 500' } },
    ]);
  });

  it('that is being stopped, or is not there, is not ended for its health', () => {
    worker.run(task);
    worker.stop(task);
    expect(turn('unhealthy')).toEqual([]);
    expect(turn('unhealthy', '', fence(8))).toEqual([]);
    expect(results(worker.exit(task, stopped))).toMatchObject([{ failure: { code: 'cancelled.user' } }]);
  });
});

it('of more services than are told at once each has its turn', () => {
  const tasks = Array.from({ length: 300 }, (_, index) => fence(index + 1));
  for (const one of tasks) {
    worker.run(one);
    turn('healthy', '', one);
  }
  expect(told(worker.open())).toHaveLength(256);
  const next = told(worker.live(defaultTimers.heartbeatMs + 500)).map((message) => message.task);
  expect(next).toEqual(tasks.slice(256).map((one) => one.task));
});

it('what was prepared is no part of the run: one that never started ran for nothing', () => {
  worker.lease(task);
  worker.mono += 60_000;
  const why = { code: 'execution.start', message: 'it cannot' } as const;
  expect(results(worker.step({ kind: 'startFailed', fence: task, failure: why }))).toMatchObject([
    { ranMs: 0 },
  ]);
});
