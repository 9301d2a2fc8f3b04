import { type FailureCode, failure } from '@gryphgen/protocol';
import { beforeEach, describe, expect, it } from 'vitest';
import {
  facts,
  fence,
  forgotten,
  results,
  starts,
  stopped,
  stops,
  success,
  WorkerUnderTest,
} from './worker-core.fixture.ts';

let worker: WorkerUnderTest;
const task = fence(7);

beforeEach(() => {
  worker = new WorkerUnderTest();
  worker.open();
});

it('a loan that is called back goes on, and ends by itself (E41)', () => {
  const recall = { kind: 'recall', ...task } as const;
  expect(worker.hear(recall)).toEqual([]);
  worker.run(task);
  expect(worker.hear(recall)).toEqual([{ kind: 'recall', fence: task }]);
  expect(worker.hear({ ...recall, epoch: (task.epoch + 1) as never })).toEqual([]);
  expect(results(worker.exit(task, success))).toMatchObject([{ ...task, failure: null }]);
  expect(worker.hear(recall)).toEqual([]);
});

const recalls: readonly (readonly ['cancel' | 'drain', FailureCode])[] = [
  ['cancel', 'cancelled.user'],
  ['drain', 'lost.drained'],
];

describe.each(recalls)('%s', (why, code) => {
  it('stops a running attempt and tells so', () => {
    worker.run(task);
    expect(stops(worker.stop(task, why))).toEqual([{ kind: 'stop', fence: task, graceMs: 10_000, why }]);
    const [result] = results(worker.exit(task, stopped));
    expect(result).toMatchObject({ ...task, exitCode: 143, failure: { code } });
  });

  it('gives the grace that the task asks for, also to what an earlier life was ending', () => {
    worker.run(task, { stopGraceMs: 60_000 });
    expect(stops(worker.stop(task, why))).toMatchObject([{ graceMs: 60_000, why }]);
    const other = fence(8);
    const adopted = {
      fence: other,
      facts: { ...facts, stopGraceMs: 500 },
      stopping: 'timeout',
      found: { phase: 'running', ranMs: 5 },
    } as const;
    expect(stops(worker.step({ kind: 'adopted', attempts: [adopted] }))).toMatchObject([{ graceMs: 500 }]);
  });

  it('with a long grace is cut short where somebody else may start the task', () => {
    worker.run(task, { stopGraceMs: 3_600_000 });
    worker.stop(task, why);
    worker.mono += 60_000;
    expect(stops(worker.stop(task, 'drop'))).toMatchObject([{ graceMs: 2500, why: 'drop' }]);
  });

  it('is told to the executor once, however often the broker repeats it', () => {
    worker.run(task);
    worker.stop(task, why);
    worker.mono += 2000;
    expect(worker.stop(task, why)).toEqual([]);
  });

  it('crossing the start is not lost', () => {
    worker.lease(task);
    expect(stops(worker.stop(task, why))).toHaveLength(1);
    worker.step({ kind: 'started', fence: task });
    expect(worker.phase(task)).toBe('stopping');
    expect(results(worker.exit(task, stopped))).toMatchObject([{ failure: { code } }]);
  });

  it('names the result also when the start then fails', () => {
    worker.lease(task);
    worker.stop(task, why);
    const notStarted = failure('execution.start', 'stopped before it was started');
    const effects = worker.step({ kind: 'startFailed', fence: task, failure: notStarted });
    expect(results(effects)).toMatchObject([{ failure: { code } }]);
  });

  it('that comes after the end changes nothing: what succeeded first has succeeded (E15)', () => {
    worker.run(task);
    worker.stop(task, why);
    expect(results(worker.exit(task, success))).toMatchObject([{ exitCode: 0, failure: null }]);
    expect(results(worker.stop(task, why))).toMatchObject([{ exitCode: 0, failure: null }]);
  });

  it('that overtakes its lease uses the lease up and is answered (E15)', () => {
    const lease = worker.leaseOf(task);
    expect(results(worker.stop(task, why, lease.leaseSeq))).toMatchObject([{ ...task, failure: { code } }]);
    expect(starts(worker.hear(lease))).toEqual([]);
    expect(results(worker.live(2000))).toHaveLength(1);
    expect(forgotten(worker.ack(task))).toEqual([task]);
  });

  it('of what is no longer here is answered each time, and kept nowhere', () => {
    worker.run(task);
    worker.exit(task);
    worker.ack(task);
    for (const leaseSeq of [0, 1]) {
      expect(results(worker.stop(task, why, leaseSeq))).toMatchObject([{ failure: { code } }]);
    }
    expect(worker.state.attempts.size).toBe(0);
  });
});

describe('drop', () => {
  it('ends a running attempt in a hurry, reports nothing and forgets it', () => {
    worker.run(task);
    expect(stops(worker.stop(task, 'drop'))).toMatchObject([{ graceMs: 2500, why: 'drop' }]);
    const effects = worker.exit(task, stopped);
    expect(results(effects)).toEqual([]);
    expect(forgotten(effects)).toEqual([task]);
    expect(worker.phase(task)).toBe('none');
  });

  it('brings the kill of a cancelled attempt forward', () => {
    worker.run(task);
    worker.stop(task);
    expect(stops(worker.stop(task, 'drop'))).toMatchObject([{ graceMs: 2500 }]);
    expect(results(worker.exit(task, stopped))).toEqual([]);
  });

  it('forgets an ended attempt at once', () => {
    worker.run(task);
    worker.exit(task);
    expect(forgotten(worker.stop(task, 'drop'))).toEqual([task]);
  });

  it('of what never came uses its lease up', () => {
    const lease = worker.leaseOf(task);
    expect(worker.stop(task, 'drop', lease.leaseSeq)).toEqual([]);
    expect(worker.hear(lease)).toEqual([]);
  });

  it('forgets an attempt whose start fails meanwhile', () => {
    worker.lease(task);
    worker.stop(task, 'drop');
    const why = failure('execution.image', 'no image');
    expect(forgotten(worker.step({ kind: 'startFailed', fence: task, failure: why }))).toEqual([task]);
  });
});
