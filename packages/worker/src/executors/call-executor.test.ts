import { decodeBody, encodeBody, type Failure, failure, readOutcome } from '@gryphgen/protocol';
import { createLog, systemClock } from '@gryphgen/runtime';
import { afterEach, describe, expect, it } from 'vitest';
import { noFiles } from '../artifacts/attempt-files.ts';
import type { LogWriter } from '../attempt-log.ts';
import { facts, fence } from '../core/worker-core.fixture.ts';
import { type Call, CallExecutor, type CallOrder, resultBytes } from './call-executor.ts';

const fenced = fence(1);
const text = (result: Uint8Array | undefined) => new TextDecoder().decode(result);

/** Alarms that the test rings. */
class Bell {
  private readonly due = new Set<() => void>();
  readonly after = (_ms: number, run: () => void) => {
    this.due.add(run);
    return () => void this.due.delete(run);
  };
  get waiting() {
    return this.due.size;
  }
  ring() {
    for (const run of this.due) run();
  }
}

interface Setting {
  readonly answer: (order: CallOrder<unknown>) => Promise<Uint8Array | Failure>;
  readonly labels?: () => Record<string, string>;
  readonly hasLog?: boolean;
}

function setUp({ answer, labels = () => ({}), hasLog = false }: Setting) {
  const told: unknown[] = [];
  const lines: string[] = [];
  const bell = new Bell();
  let onEnd: () => void = () => undefined;
  const ended = new Promise<void>((resolve) => {
    onEnd = resolve;
  });
  const call: Call = {
    kind: 'retrieve',
    hasLog,
    ready: async () => true,
    read: (body) => {
      const read = decodeBody(body);
      return read.ok ? read : { ok: false, failure: failure('rejected.invalid', 'expected msgpack') };
    },
    filesOf: () => ({}),
    answer,
    labels,
  };
  const log: LogWriter = {
    write: async (bytes) => lines.push(new TextDecoder().decode(bytes)) > 0,
    end: async () => void lines.push('end'),
  };
  const executor = new CallExecutor(call, {
    events: {
      started: () => told.push('started'),
      used: () => undefined,
      served: () => undefined,
      exited: (_, exit) => {
        told.push(exit);
        onEnd();
      },
      startFailed: (_, why) => told.push(why),
    },
    clock: systemClock,
    alarms: bell,
    log: createLog({ daemon: 'test', level: 'silent' }),
    files: noFiles,
    beginLog: () => log,
    noteSilent: () => told.push('silent'),
    relabelled: async () => void told.push(`labels ${Object.keys(labels())}`),
    heldChanged: async () => void told.push('held'),
  });
  open.push(executor);
  const start = (body: Uint8Array = encodeBody('a question')) =>
    executor.start({ fence: fenced, facts, envelope: { kind: 'retrieve' } as never, devices: [], body });
  return { executor, start, told, lines, bell, ended };
}

const open: CallExecutor[] = [];
afterEach(() => Promise.all(open.splice(0).map((executor) => executor.close())));

describe('a call', () => {
  it('ends with its result as the outcome', async () => {
    const { start, told, ended } = setUp({ answer: async ({ body }) => Buffer.from(`${body}!`) });
    start();
    await ended;
    expect(told.slice(0, 2)).toEqual(['silent', 'started']);
    const [exit] = told.slice(2) as [{ outcome: Uint8Array }];
    expect(exit).toMatchObject({ exitCode: 0, failure: null, stopped: false });
    expect(text(readOutcome(exit.outcome)?.result)).toBe('a question!');
  });

  it('that has no answer fails as it says', async () => {
    const why = failure('rejected.not-found', 'there is no collection docs');
    const { start, told, ended } = setUp({ answer: async () => why });
    start();
    await ended;
    expect(told.at(-1)).toMatchObject({ exitCode: -1, failure: why, stopped: false });
  });

  it('of a body that makes no sense is not begun', () => {
    const { start, told } = setUp({ answer: async () => Buffer.from('never') });
    start(Uint8Array.of(0xc1));
    expect(told).toEqual([failure('rejected.invalid', 'expected msgpack')]);
  });

  it('that throws is a bug, and so is a result that no outcome holds', async () => {
    const throwing = setUp({ answer: () => Promise.reject(new Error('no such table')) });
    throwing.start();
    await throwing.ended;
    expect(throwing.told.at(-1)).toMatchObject({
      failure: failure('internal.bug', 'the retrieve call failed: no such table'),
    });
    const large = setUp({ answer: async () => new Uint8Array(resultBytes + 1) });
    large.start();
    await large.ended;
    expect(large.told.at(-1)).toMatchObject({ exitCode: -1, failure: { code: 'internal.bug' } });
  });

  it('is told to end, and ends when it has', async () => {
    let begun: () => void = () => undefined;
    const asked = new Promise<void>((resolve) => {
      begun = resolve;
    });
    const { executor, start, told, ended } = setUp({
      answer: ({ signal }) =>
        new Promise((resolve) => {
          begun();
          signal.addEventListener('abort', () => resolve(failure('cancelled.user', 'cut off')));
        }),
    });
    start();
    await asked;
    executor.stop(fenced, 10_000);
    await ended;
    expect(told.at(-1)).toMatchObject({ exitCode: -1, failure: null, stopped: true });
  });

  it('is not asked when it is told to end before', async () => {
    const { executor, start, told, ended } = setUp({ answer: async () => Buffer.from('never') });
    start();
    executor.stop(fenced, 10_000);
    await ended;
    expect(told).toEqual(['silent', expect.objectContaining({ failure: null, stopped: true })]);
  });

  it('that does not end in its grace is told as ended, once', async () => {
    let answer: (result: Uint8Array) => void = () => undefined;
    let begun: () => void = () => undefined;
    const asked = new Promise<void>((resolve) => {
      begun = resolve;
    });
    const { executor, start, told, bell, ended } = setUp({
      answer: () =>
        new Promise((resolve) => {
          begun();
          answer = resolve;
        }),
    });
    start();
    await asked;
    executor.stop(fenced, 5000);
    executor.stop(fenced, 9000);
    expect(bell.waiting).toBe(1);
    bell.ring();
    await ended;
    expect(told.at(-1)).toMatchObject({ stopped: true });
    const before = told.length;
    answer(Buffer.from('late'));
    await executor.close();
    expect(told).toHaveLength(before);
  });

  it('has a log where its kind has one, closed before the end is told', async () => {
    const { start, lines, ended } = setUp({
      hasLog: true,
      answer: async ({ tell }) => {
        tell('12 files');
        return Buffer.from('{}');
      },
    });
    start();
    await ended;
    expect(lines).toEqual(['12 files\n', 'end']);
  });

  it('that changes what its worker is labelled with ends after that was told', async () => {
    const labels: Record<string, string> = {};
    const { start, told, ended } = setUp({
      labels: () => labels,
      answer: async () => {
        labels['collection/docs'] = 'here';
        return Buffer.from('{}');
      },
    });
    start();
    await ended;
    expect(told.slice(-2)).toEqual(['labels collection/docs', expect.objectContaining({ exitCode: 0 })]);
  });
});
