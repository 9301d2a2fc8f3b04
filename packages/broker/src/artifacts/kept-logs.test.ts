/** Logs brought to be kept beside the broker, with a real disk; the worker's words are written by hand. */
import { mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { AttemptNo, TaskId } from '@gryphgen/protocol';
import { type Alarms, type Clock, keptLogHead } from '@gryphgen/runtime';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { type KeptLogBounds, KeptLogs } from './kept-logs.ts';

let folder: string;
let now: number;
let due: () => void;
const clock: Clock = { mono: () => now, wall: () => now };
const alarms: Alarms = {
  after: (_, run) => {
    due = run;
    return () => undefined;
  },
};

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'gg-kept-'));
  now = Date.now();
});
afterEach(() => rmSync(folder, { recursive: true }));

const opened = (bounds: Partial<KeptLogBounds> = {}) =>
  KeptLogs.open({ folder, clock, alarms, maxBytes: 1000, ...bounds });

const record = (task: number, text: string) =>
  Buffer.concat([keptLogHead({ task, attempt: 1, bytes: text.length }), Buffer.from(text)]);

/** How it ended. */
async function bring(logs: KeptLogs, stream: Buffer, size = 7, worker = 'w-1') {
  const taken = logs.take(worker, new AbortController().signal);
  if (!('ended' in taken)) return taken.failure;
  for (let at = 0; at < stream.length; at += size) await taken.write(stream.subarray(at, at + size));
  taken.endInput();
  return (await taken.ended).failure;
}

async function read(logs: KeptLogs, task: number, from = 0, worker = 'w-1'): Promise<string> {
  const about = { task: task as TaskId, attempt: 1 as AttemptNo, from, follow: false, worker };
  const source = await logs.read(about);
  if ('code' in source) return source.code;
  let text = '';
  for await (const bytes of source as AsyncIterable<Uint8Array>) text += Buffer.from(bytes).toString();
  return text;
}

describe('a log that was brought', () => {
  it.each([1, 7, 10_000])('is read as it was, also by the next life: in pieces of %i bytes', async (size) => {
    const logs = await opened();
    expect(
      await bring(logs, Buffer.concat([record(1, 'one\n'), record(2, ''), record(3, 'three')]), size),
    ).toBe(null);
    for (const life of [logs, await opened()]) {
      expect([await read(life, 1), await read(life, 2), await read(life, 3, 2)]).toEqual([
        'one\n',
        '',
        'ree',
      ]);
      expect(life.counters).toEqual({ logs: 3, logBytes: 9 });
    }
  });

  it('is the worker’s own: nobody else’s of the same number', async () => {
    const logs = await opened();
    await bring(logs, record(1, 'mine'));
    expect(await read(logs, 1, 0, 'w-2')).toBe('rejected.not-found');
    expect(await read(logs, 1, 0, '')).toBe('rejected.not-found');
    await bring(logs, record(1, 'another'), 7, 'w-2');
    expect(await read(logs, 1)).toBe('mine');
  });

  it('that was cut off leaves nothing, and those before it stay', async () => {
    const logs = await opened();
    const cut = Buffer.concat([record(1, 'whole'), record(2, 'not whole').subarray(0, -1)]);
    expect(await bring(logs, cut)).toMatchObject({ code: 'lost.link' });
    expect([await read(logs, 1), await read(logs, 2)]).toEqual(['whole', 'rejected.not-found']);
    expect(readdirSync(folder)).toEqual(['w-1']);
  });

  it('goes when there is no room: those that were brought first', async () => {
    const logs = await opened({ maxBytes: 10 });
    for (const task of [1, 2, 3]) await bring(logs, record(task, 'four'));
    expect([await read(logs, 1), await read(logs, 2), await read(logs, 3)]).toEqual([
      'rejected.not-found',
      'four',
      'four',
    ]);
    expect(readdirSync(join(folder, 'w-1'))).toEqual(['t2.1.log', 't2.1.sum', 't3.1.log', 't3.1.sum']);
  });

  it('goes when it is too old', async () => {
    const logs = await opened({ maxAgeMs: 1000 });
    await bring(logs, record(1, 'old'));
    now += 600;
    await bring(logs, record(2, 'newer'));
    now += 600;
    due();
    while (readdirSync(join(folder, 'w-1')).length > 2) await new Promise(setImmediate);
    expect([await read(logs, 1), await read(logs, 2)]).toEqual(['rejected.not-found', 'newer']);
  });
});

it('what is no log is refused, and writes nothing', async () => {
  const logs = await opened();
  const huge = Buffer.from('{"task":1,"attempt":1,"bytes":99999999999}\n');
  for (const wrong of [Buffer.alloc(5000, '{'), Buffer.from('{"task":"../../x"}\n'), huge])
    expect(await bring(logs, wrong)).toMatchObject({ code: 'rejected.invalid' });
  expect(await bring(logs, record(1, 'x'), 7, '../w')).toMatchObject({ code: 'rejected.invalid' });
  expect(readdirSync(folder)).toEqual([]);
});
