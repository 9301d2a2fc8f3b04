import { type Alarms, systemAlarms } from '@gryphgen/runtime';
import { expect, it } from 'vitest';
import { Question } from './question.ts';

const question = <T>(put: (signal: AbortSignal) => Promise<T>, limitMs = 20) =>
  new Question({ what: 'the disk', limitMs, alarms: systemAlarms, put });

const turn = () => new Promise((resolve) => setImmediate(resolve));

it('is answered', async () => {
  let times = 0;
  const asked = question(async () => {
    times += 1;
    return times;
  });
  expect([await asked.ask(), await asked.ask()]).toEqual([1, 2]);
});

it('that hangs is given up in words, and not put again before it has ended', async () => {
  let times = 0;
  let end: (answer: string) => void = () => undefined;
  const asked = question(() => {
    times += 1;
    return new Promise<string>((resolve) => {
      end = resolve;
    });
  });
  await expect(asked.ask()).rejects.toThrow('the disk did not answer within 20 ms');
  await expect(asked.ask()).rejects.toThrow('the disk did not answer');
  expect(times).toBe(1);
  end('late');
  await turn();
  const second = asked.ask();
  end('now');
  expect(await second).toBe('now');
  expect(times).toBe(2);
});

it('is told to end at its limit, and may then be put again', async () => {
  let times = 0;
  let aborted: Promise<void> = Promise.resolve();
  const asked = question((signal) => {
    times += 1;
    return new Promise<never>((_, reject) => {
      aborted = new Promise((resolve) =>
        signal.addEventListener('abort', () => {
          reject(new Error('aborted'));
          resolve();
        }),
      );
    });
  });
  await expect(asked.ask()).rejects.toThrow('did not answer');
  await aborted;
  await turn();
  await expect(asked.ask()).rejects.toThrow('did not answer');
  expect(times).toBe(2);
});

it('is not given up for a time in which the process slept', async () => {
  const due: (() => void)[] = [];
  const alarms: Alarms = {
    after: (_, run) => {
      due.push(run);
      return () => undefined;
    },
  };
  /** All that fell due comes at once, and late. */
  const wake = (): void => {
    for (const run of due.splice(0)) run();
  };
  let answer: (said: string) => void = () => undefined;
  const put = () =>
    new Promise<string>((resolve) => {
      answer = resolve;
    });
  const asked = new Question({ what: 'the disk', limitMs: 4000, alarms, put }).ask();
  wake();
  answer('read at last');
  expect(await asked).toBe('read at last');
  const silent = new Question({ what: 'the disk', limitMs: 4000, alarms, put }).ask();
  const refused = expect(silent).rejects.toThrow('the disk did not answer within 4000 ms');
  while (due.length > 0) wake();
  await refused;
});
