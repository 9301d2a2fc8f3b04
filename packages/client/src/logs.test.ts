/** Following a task's output over attempts, breaks and ends, with the worker's side written by hand. */
import { type Failure, failure, GridError, type TaskId } from '@gryphgen/protocol';
import type { LogEvent } from '@gryphgen/runtime';
import { describe, expect, it } from 'vitest';
import { type LogSource, readTaskLog } from './logs.ts';
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

/** Each request is answered by the next of `grants`, each reading by the next of `readings`. */
class Fake implements LogSource {
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
    return Promise.resolve({ endpoint: 'e', dataKey: 'k', grant: 'g', attempt: next });
  }

  watch(_: TaskId, { onChange }: Parameters<LogSource['watch']>[1]): Promise<Outcome> {
    this.onChange = onChange;
    return new Promise((resolve) => {
      this.finish = resolve;
    });
  }

  readonly read: LogSource['read'] = async function* (
    this: Fake,
    { attempt, from }: Parameters<LogSource['read']>[0],
  ) {
    this.asked.push([attempt, from]);
    yield* this.readings.shift() ?? [end(broken)];
  }.bind(this) as LogSource['read'];
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
    expect(await textOf(readTaskLog(source, alarms, task, { from: 3 }))).toBe('lo');
    expect(source.asked).toEqual([[1, 3]]);
  });

  it('that cannot be read is an error', async () => {
    await expect(textOf(readTaskLog(new Fake([notYet], []), alarms, task, {}))).rejects.toThrow(
      'has not run',
    );
    const halfway = new Fake([1], [[chunk(0, 'a'), end(broken)]]);
    await expect(textOf(readTaskLog(halfway, alarms, task, {}))).rejects.toThrow('fallen silent');
  });

  it('is followed over attempts, until the task has ended', async () => {
    const source = new Fake(
      [notYet, 1, 2],
      [
        [chunk(0, 'one '), end()],
        [chunk(0, 'two'), end()],
      ],
    );
    const reading = textOf(readTaskLog(source, alarms, task, { follow: true }));
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
    const reading = textOf(readTaskLog(source, alarms, task, { follow: true }));
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
    const reading = textOf(readTaskLog(source, alarms, task, { follow: true }));
    source.finish(ended(1));
    expect(await reading).toBe('abcdef');
    expect(source.asked).toEqual([
      [1, 0],
      [1, 3],
    ]);
    const gone = readTaskLog(new Fake([], []), alarms, task, { follow: true });
    await expect(textOf(gone)).rejects.toThrow('fallen silent');
  });

  it('of a task that ends without ever running is empty', async () => {
    const source = new Fake([notYet, notYet], []);
    const reading = textOf(readTaskLog(source, alarms, task, { follow: true }));
    source.finish(ended(0));
    expect(await reading).toBe('');
  });
});
