/** Following a task's output over attempts, breaks and ends, with the worker's side written by hand. */
import { type Failure, failure, type GrantDocument, GridError, type TaskId } from '@gryphgen/protocol';
import {
  type Alarms,
  type LogEvent,
  type LogReading,
  type readLog,
  systemClock,
  UselessPlaces,
} from '@gryphgen/runtime';
import { describe, expect, it } from 'vitest';
import { type LogOptions, type LogSource, readTaskLog } from './logs.ts';
import type { Outcome } from './pending.ts';

const task = 7 as TaskId;
const end = (why: Failure | null = null): LogEvent => ({ kind: 'end', failure: why });
const chunk = (offset: number, text: string): LogEvent => ({
  kind: 'chunk',
  offset,
  bytes: Buffer.from(text),
});
const broken = failure('lost.link', 'it has fallen silent');
const notYet = failure('rejected.state', 't7 has not run');

/** As the client does. */
function read(
  source: Fake,
  alarms: Alarms,
  of: TaskId,
  options: LogOptions,
): AsyncGenerator<Uint8Array, void> {
  return readTaskLog(source, alarms, of, options, source.read);
}

/** Each request is answered by the next of `grants`, each reading by the next of `readings`. */
class Fake implements LogSource {
  readonly brokerEndpoint = 'ipc:///broker.sock';
  readonly unreached = new UselessPlaces(systemClock);
  /** What grants say beside. */
  place: Partial<GrantDocument> = {};
  readonly places: string[] = [];
  readonly asked: [attempt: number, from: number][] = [];
  onChange: (change: { readonly attempt: number }) => void = () => undefined;
  finish: (outcome: Outcome) => void = () => undefined;
  private readonly grants: (number | Failure)[];
  private readonly readings: (readonly LogEvent[])[];

  constructor(grants: (number | Failure)[], readings: (readonly LogEvent[])[]) {
    this.grants = grants;
    this.readings = readings;
  }

  request(): ReturnType<LogSource['request']> {
    const next = this.grants.shift() ?? broken;
    if (typeof next !== 'number') return Promise.reject(new GridError(next));
    return Promise.resolve({ endpoint: 'e', dataKey: 'k', grant: 'g', attempt: next, ...this.place });
  }

  watch(_: TaskId, { onChange }: Parameters<LogSource['watch']>[1]): Promise<Outcome> {
    this.onChange = onChange;
    return new Promise((resolve) => {
      this.finish = resolve;
    });
  }

  readonly read: typeof readLog = async function* (this: Fake, { attempt, from, endpoint }: LogReading) {
    this.asked.push([attempt, from]);
    this.places.push(endpoint);
    yield* this.readings.shift() ?? [end(broken)];
  }.bind(this) as typeof readLog;
}

/** Waits are over at once. */
const alarms = {
  after: (_: number, run: () => void) => {
    queueMicrotask(run);
    return () => undefined;
  },
};

function ended(attempts: number): Outcome {
  const none = { exitCode: 0, failure: null, result: new Uint8Array() };
  return { id: 't7', task, state: 'succeeded', attempts, ...none };
}

async function textOf(output: AsyncIterable<Uint8Array>): Promise<string> {
  let text = '';
  for await (const bytes of output) text += Buffer.from(bytes).toString();
  return text;
}

describe('a log', () => {
  it('is what there is now, from where it was asked', async () => {
    const source = new Fake([1], [[chunk(3, 'lo'), end()]]);
    expect(await textOf(read(source, alarms, task, { from: 3 }))).toBe('lo');
    expect(source.asked).toEqual([[1, 3]]);
  });

  it('that cannot be read is an error', async () => {
    await expect(textOf(read(new Fake([notYet], []), alarms, task, {}))).rejects.toThrow('has not run');
    const halfway = new Fake([1], [[chunk(0, 'a'), end(broken)]]);
    await expect(textOf(read(halfway, alarms, task, {}))).rejects.toThrow('fallen silent');
  });

  it('that is not followed goes on where the connection broke, but waits for no worker that is away', async () => {
    const source = new Fake(
      [1, 1],
      [
        [chunk(0, 'abc'), end(broken)],
        [chunk(3, 'def'), end()],
      ],
    );
    expect(await textOf(read(source, alarms, task, {}))).toBe('abcdef');
    const away = new Fake([1, 1], []);
    away.place = { endpoint: '' };
    await expect(textOf(read(away, alarms, task, {}))).rejects.toThrow('is not connected now');
    expect(away.asked).toEqual([]);
  });

  it('is followed over attempts, until the task has ended', async () => {
    const source = new Fake(
      [notYet, 1, 2],
      [
        [chunk(0, 'one '), end()],
        [chunk(0, 'two'), end()],
      ],
    );
    const reading = textOf(read(source, alarms, task, { follow: true }));
    source.onChange({ attempt: 0 });
    source.onChange({ attempt: 1 });
    source.onChange({ attempt: 2 });
    source.finish(ended(2));
    expect(await reading).toBe('one two');
    expect(source.asked).toEqual([
      [1, 0],
      [2, 0],
    ]);
  });

  it('is read to its end also when the task had ended before', async () => {
    const source = new Fake([1], [[chunk(0, 'all'), end()]]);
    const reading = textOf(read(source, alarms, task, { follow: true }));
    source.finish(ended(1));
    expect(await reading).toBe('all');
  });

  it('goes on where the connection broke, and gives up when it stays broken', async () => {
    const source = new Fake(
      [1, failure('lost.worker', 'away'), 1],
      [
        [chunk(0, 'abc'), end(broken)],
        [chunk(3, 'def'), end()],
      ],
    );
    const reading = textOf(read(source, alarms, task, { follow: true }));
    source.finish(ended(1));
    expect(await reading).toBe('abcdef');
    expect(source.asked).toEqual([
      [1, 0],
      [1, 3],
    ]);
    const gone = read(new Fake([], []), alarms, task, { follow: true });
    await expect(textOf(gone)).rejects.toThrow('fallen silent');
  });

  it('of a task that ends without ever running is empty', async () => {
    const source = new Fake([notYet, notYet], []);
    const reading = textOf(read(source, alarms, task, { follow: true }));
    source.finish(ended(0));
    expect(await reading).toBe('');
  });
});

describe('a log that is kept beside the broker, too', () => {
  const beside = { endpoints: ['ipc:///beside.sock', 'tcp://*:9'], dataKey: 'b' };
  const notKept = failure('rejected.not-found', 'it is not kept');

  it('is read there where the worker cannot be asked, or has it no more', async () => {
    for (const why of [broken, failure('rejected.not-found', 'no longer here')]) {
      const source = new Fake([1], [[end(why)], [chunk(0, 'kept'), end()]]);
      source.place = { beside };
      expect(await textOf(read(source, alarms, task, {}))).toBe('kept');
      expect(source.places).toEqual(['e', 'ipc:///beside.sock']);
    }
  });

  it('is read there alone where the worker is gone', async () => {
    const source = new Fake([1], [[chunk(2, 'pt'), end()]]);
    source.place = { beside, endpoint: '' };
    expect(await textOf(read(source, alarms, task, { from: 2 }))).toBe('pt');
    expect([source.places, source.asked]).toEqual([['ipc:///beside.sock'], [[1, 2]]]);
  });

  it('is gone on with from where the worker went in the middle of it', async () => {
    const source = new Fake([1, 1], [[chunk(0, 'he'), end(broken)], [end(broken)], [chunk(2, 'llo'), end()]]);
    source.place = { beside };
    source.watch = () => Promise.resolve(ended(1));
    expect(await textOf(read(source, alarms, task, { follow: true }))).toBe('hello');
    expect(source.asked).toEqual([
      [1, 0],
      [1, 2],
      [1, 2],
    ]);
  });

  it('and is not there is told by why the worker cannot be asked', async () => {
    const source = new Fake([1], [[end(broken)], [end(notKept)]]);
    source.place = { beside };
    await expect(textOf(read(source, alarms, task, {}))).rejects.toThrow(broken.message);
    const gone = new Fake([1], [[end(notKept)]]);
    gone.place = { beside, endpoint: '' };
    await expect(textOf(read(gone, alarms, task, {}))).rejects.toThrow(
      'the worker that has the log is not connected now; it is not kept',
    );
  });

  it('and is not yet, because its worker was away while it ran, is followed when that is back', async () => {
    const source = new Fake([1, 1], [[end(notKept)], [chunk(0, 'back'), end()]]);
    source.place = { beside, endpoint: '' };
    source.watch = () => Promise.resolve(ended(1));
    expect(await textOf(read(source, alarms, task, { follow: true }))).toBe('back');
  });
});
