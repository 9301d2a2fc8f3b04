import { failure } from '@gryphgen/protocol';
import { describe, expect, it } from 'vitest';
import { type TaskPast, wrongWith } from './outcome-model.ts';
import type { Run } from './physical-check.ts';
import { planRun } from './simulation.ts';
import { resultOf, type Script } from './task-script.ts';

const submission = planRun(1).operations.find(({ kind }) => kind === 'submit');
const any = (submission as { script: Script }).script;
const { restart: _, ...never } = any.envelope;
const script: Script = {
  ...any,
  envelope: { ...never, durable: true, timeoutMs: 0, retries: { limit: 1, backoffMs: 0 } },
  service: null,
};
const ran = (end: Run['end']): Run =>
  ({
    worker: 'w1',
    fence: { task: 1, attempt: 1, epoch: 1 },
    leasedAt: 100,
    startedAt: 200,
    endedAt: 300,
    end,
  }) as never;
const past = (over: Partial<TaskPast> = {}): TaskPast => ({
  script,
  run: ran('ok'),
  failures: 0,
  losses: 0,
  cancelAsked: false,
  cancelToldAt: null,
  stopTakenAt: undefined,
  ...over,
});
const nothing = new Uint8Array(0);
const succeeded = { state: 'succeeded', failure: null, attempt: 1, outcome: resultOf(script) } as const;
const failed = (code: Parameters<typeof failure>[0]) =>
  ({ state: 'failed', failure: failure(code, ''), attempt: 1, outcome: nothing }) as const;

describe('a task', () => {
  it('succeeds when its attempt ran to its end, and only then', () => {
    expect(wrongWith(succeeded, past())).toBeUndefined();
    expect(wrongWith(succeeded, past({ run: ran('exit') }))).toMatch(/ended: exit/);
    expect(wrongWith(succeeded, past({ run: undefined }))).toMatch(/never ran/);
    expect(wrongWith({ ...succeeded, outcome: nothing }, past())).toMatch(/0 other bytes/);
  });

  it('does not succeed by an attempt that was leased or started after its cancel', () => {
    expect(wrongWith(succeeded, past({ cancelAsked: true, cancelToldAt: 150 }))).toBeUndefined();
    expect(wrongWith(succeeded, past({ cancelAsked: true, cancelToldAt: 50 }))).toMatch(
      /was leased 50 ms after/,
    );
    expect(wrongWith(succeeded, past({ stopTakenAt: 150 }))).toMatch(/started 50 ms after/);
  });

  it('is cancelled only when somebody asked', () => {
    const cancelled = { state: 'cancelled', failure: null, attempt: 1, outcome: nothing } as const;
    expect(wrongWith(cancelled, past())).toMatch(/nobody/);
    expect(wrongWith(cancelled, past({ cancelAsked: true }))).toBeUndefined();
  });

  it('that is to be begun again neither fails nor, if it is to run always, succeeds', () => {
    const service = (restart: 'on-failure' | 'always') => ({
      script: { ...script, envelope: { ...script.envelope, restart } },
      failures: 9,
    });
    expect(wrongWith(failed('execution.exit'), past({ run: ran('exit'), ...service('on-failure') }))).toMatch(
      /again/,
    );
    expect(wrongWith(succeeded, past(service('on-failure')))).toBeUndefined();
    expect(wrongWith(succeeded, past(service('always')))).toMatch(/always/);
    expect(wrongWith(succeeded, past({ ...service('always'), cancelAsked: true }))).toBeUndefined();
  });

  it('fails as its executor failed, when its retries are used', () => {
    expect(wrongWith(failed('execution.exit'), past({ run: ran('exit'), failures: 1 }))).toBeUndefined();
    expect(wrongWith(failed('execution.exit'), past({ run: ran('exit') }))).toMatch(/1 retries and used 0/);
    expect(wrongWith(failed('execution.exit'), past({ run: ran('stopped'), failures: 1 }))).toMatch(
      /ended: stopped/,
    );
    expect(wrongWith(failed('execution.timeout'), past({ run: ran('stopped'), failures: 1 }))).toMatch(
      /no timeout/,
    );
  });

  it('is lost only after so many losses, and to the broker only when it is ephemeral', () => {
    expect(wrongWith(failed('lost.worker'), past({ losses: 4 }))).toMatch(/only 4/);
    expect(wrongWith(failed('lost.worker'), past({ losses: 5 }))).toBeUndefined();
    expect(wrongWith(failed('lost.broker'), past())).toMatch(/durable/);
    expect(wrongWith(failed('internal.bug'), past())).toMatch(/no task/);
  });
});
