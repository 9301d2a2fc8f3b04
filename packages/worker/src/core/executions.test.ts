import { type FailureCode, failure } from '@gryphgen/protocol';
import { beforeEach, describe, expect, it } from 'vitest';
import type { WorkerEffect } from './effects.ts';
import type { AdoptedAttempt } from './events.ts';
import { nameOfTransition, phaseTransitions } from './phases.ts';
import { type StopWhy, stopWhys } from './state.ts';
import { facts, fence, forgotten, results, stops, success, WorkerUnderTest } from './worker-core.fixture.ts';

let worker: WorkerUnderTest;
const task = fence(7);

beforeEach(() => {
  worker = new WorkerUnderTest();
});

function sent(effects: readonly WorkerEffect[]) {
  return effects.flatMap((effect) => (effect.kind === 'send' ? [effect.message] : []));
}

describe('adopted attempts', () => {
  it('are listed in the first hello as they were found (E11)', () => {
    worker.step({
      kind: 'adopted',
      attempts: [
        { fence: fence(2), facts, stopping: null, found: { phase: 'running', ranMs: 5 } },
        { fence: fence(3), facts, stopping: null, found: { phase: 'ended', ranMs: 9, exit: success } },
      ],
    });
    expect(worker.hello().attempts.map(({ task: id, phase }) => [id, phase])).toEqual([
      [2, 'running'],
      [3, 'ended'],
    ]);
  });

  it('that ended tell their result in the first session', () => {
    const exit = { ...success, exitCode: 3 };
    worker.step({
      kind: 'adopted',
      attempts: [{ fence: task, facts, stopping: null, found: { phase: 'ended', ranMs: 9, exit } }],
    });
    expect(results(worker.open())).toMatchObject([
      {
        exitCode: 3,
        ranMs: 9,
        failure: { code: 'execution.exit', message: 'the command exited with code 3' },
      },
    ]);
  });

  it('that an earlier life was stopping have not failed when they end', () => {
    worker.step({
      kind: 'adopted',
      attempts: [{ fence: task, facts, stopping: null, found: { phase: 'running', ranMs: 9 } }],
    });
    worker.open();
    const effects = worker.exit(task, { ...success, exitCode: 143, stopped: true });
    expect(results(effects)).toMatchObject([{ failure: { code: 'lost.worker' } }]);
  });

  it('that an earlier life stopped have not failed by themselves', () => {
    const exit = { ...success, exitCode: 143, stopped: true };
    worker.step({
      kind: 'adopted',
      attempts: [{ fence: task, facts, stopping: null, found: { phase: 'ended', ranMs: 9, exit } }],
    });
    expect(results(worker.open())).toMatchObject([{ failure: { code: 'lost.worker' } }]);
  });
});

describe('what an earlier life was ending', () => {
  const adopt = (stopping: StopWhy, found: AdoptedAttempt['found']) =>
    worker.step({
      kind: 'adopted',
      attempts: [{ fence: task, facts: { ...facts, timeoutMs: 60_000 }, stopping, found }],
    });
  const codes: Record<StopWhy, FailureCode> = {
    cancel: 'cancelled.user',
    drain: 'lost.drained',
    drop: 'cancelled.user',
    leaseLost: 'lost.link',
    timeout: 'execution.timeout',
    overuse: 'execution.oom',
    unhealthy: 'execution.unhealthy',
  };

  it.each(stopWhys)('goes on being ended, and ends as if there had been no crash: %s', (why) => {
    expect(stops(adopt(why, { phase: 'running', ranMs: 9 }))).toMatchObject([{ fence: task, why }]);
    expect(worker.phase(task)).toBe('stopping');
    expect(worker.hello().attempts).toMatchObject([{ phase: 'running' }]);
    worker.open();
    const ended = worker.exit(task, { ...success, exitCode: 0, stopped: true });
    expect(results(ended)).toMatchObject([{ failure: { code: codes[why] } }]);
  });

  it.each(stopWhys)('and has ended meanwhile is told as that life would have told it: %s', (why) => {
    adopt(why, { phase: 'ended', ranMs: 9, exit: { ...success, exitCode: 143, stopped: true } });
    expect(results(worker.open())).toMatchObject([{ exitCode: 143, failure: { code: codes[why] } }]);
  });

  it('but ended by itself first is told as it ended (E15)', () => {
    adopt('cancel', { phase: 'ended', ranMs: 9, exit: success });
    expect(results(worker.open())).toMatchObject([{ exitCode: 0, failure: null }]);
  });
});

describe('executors', () => {
  beforeEach(() => {
    worker.open();
  });

  it('tell how it ended; the container goes only with the acknowledgement (E10)', () => {
    worker.run(task);
    const effects = worker.exit(task);
    expect(results(effects)).toMatchObject([{ exitCode: 0, failure: null }]);
    expect(forgotten(effects)).toEqual([]);
    expect(forgotten(worker.ack(task))).toEqual([task]);
    expect(worker.ack(task)).toEqual([]);
  });

  it('may end an attempt before they could tell of its start', () => {
    worker.lease(task);
    expect(results(worker.exit(task))).toMatchObject([{ failure: null, ranMs: 0 }]);
  });

  it('of what is brief tell of a start with the next tick, unless it has ended by then (E38)', () => {
    const kind = 'infer';
    expect(sent(worker.run(task, { kind }))).toEqual([]);
    expect(sent(worker.exit(task))).toMatchObject([{ kind: 'result', exitCode: 0 }]);
    expect(sent(worker.tick(500)).some((message) => message.kind === 'started')).toBe(false);
    worker.run(fence(8), { kind });
    expect(sent(worker.tick(500))).toContainEqual({ kind: 'started', ...fence(8) });
    expect(sent(worker.tick(500)).some((message) => message.kind === 'started')).toBe(false);
  });

  it('tell why an attempt cannot start', () => {
    worker.lease(task);
    const why = failure('execution.image', 'there is no such image');
    expect(results(worker.step({ kind: 'startFailed', fence: task, failure: why }))).toMatchObject([
      { exitCode: -1, failure: why },
    ]);
  });

  it('are not believed what cannot be: that throws, with the story', () => {
    worker.run(task);
    expect(() => worker.step({ kind: 'started', fence: task })).toThrow(
      /t7\.1 of epoch 1: running cannot take started/,
    );
    worker.exit(task);
    expect(() => worker.exit(task)).toThrow(
      /none lease starting\n.*starting started running\n.*running exited ended/,
    );
    expect(() => worker.exit(fence(99))).toThrow(/none cannot take exited/);
    expect(() =>
      worker.step({
        kind: 'adopted',
        attempts: [{ fence: task, facts, stopping: null, found: { phase: 'running', ranMs: 0 } }],
      }),
    ).toThrow(/ended cannot take adopted/);
  });

  it('keep a peer that acknowledges too early from doing harm', () => {
    worker.run(task);
    expect(worker.ack(task)).toMatchObject([{ kind: 'note', note: { kind: 'staleAck', phase: 'running' } }]);
    expect(worker.phase(task)).toBe('running');
  });
});

describe('the table of phases', () => {
  it('names each transition once, and what is taken is counted by its name', () => {
    const names = phaseTransitions.map(nameOfTransition);
    expect(new Set(names).size).toBe(names.length);
    worker.open();
    worker.run(task);
    expect(Object.fromEntries(worker.state.reached)).toEqual({
      'none lease starting': 1,
      'starting started running': 1,
    });
    for (const name of worker.state.reached.keys()) expect(names).toContain(name);
  });
});
