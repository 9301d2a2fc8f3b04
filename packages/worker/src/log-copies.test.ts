/** Logs that are brought to where they outlive the worker, over a real data endpoint; the broker's answers are played. */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type AttemptNo, type Failure, failure, type TaskId, type ToBroker } from '@gryphgen/protocol';
import {
  type Alarms,
  createIdentity,
  createLog,
  DataServer,
  type OpenKeep,
  signGrant,
  systemAlarms,
  systemClock,
} from '@gryphgen/runtime';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { BrokerQuestions } from './artifacts/broker-questions.ts';
import { LogCopies } from './log-copies.ts';
import { type LogName, LogStore } from './log-store.ts';

const broker = createIdentity();
const grid = 'g-0123456789abcdef';
const log = createLog({ daemon: 'test', level: 'silent' });
/** Pauses take no time. */
const alarms: Alarms = {
  after: (ms, run) =>
    ms === 1000 || ms >= 30_000 ? systemAlarms.after(0, run) : systemAlarms.after(ms, run),
};

let folder: string;
let came: { readonly worker: string; readonly text: string }[];
/** How the transfers end, in turn; then well. */
let ends: (Failure | null)[];
let told: () => void;
let held: { readonly fence: LogName }[];
let server: DataServer;
let questions: BrokerQuestions;

const keep: OpenKeep = async (worker) => {
  let text = '';
  let tellEnd: () => void = () => undefined;
  const end = ends.shift() ?? null;
  const ended = new Promise<void>((resolve) => {
    tellEnd = resolve;
  }).then(() => {
    came.push({ worker, text });
    told();
    return { failure: end };
  });
  return {
    output: (async function* () {})(),
    write: async (bytes) => {
      text += Buffer.from(bytes).toString();
    },
    endInput: () => tellEnd(),
    resize: () => undefined,
    ended,
  };
};

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'gg-copies-'));
  [came, ends, held, told] = [[], [], [], () => undefined];
  const place = { endpoints: [`ipc://${join(folder, 'data.sock')}`], curve: broker.curve };
  const time = { brokerWall: () => Date.now(), clock: systemClock, alarms: systemAlarms };
  const open = () => failure('rejected.not-found', 'no logs here');
  server = new DataServer({ ...place, ...time, grid, worker: '', brokerKey: () => broker.key, open, keep });
  const endpoints = await server.start();
  let asked = 0;
  const send = (message: ToBroker): void => {
    if (message.kind !== 'request' || message.op !== 'keepLogs') return;
    asked += 1;
    const about = {
      grid,
      op: 'keepLogs',
      worker: 'w-1',
      id: `x${asked}`,
      expiresAt: Date.now() + 60_000,
    } as const;
    const result = {
      grant: signGrant(broker, about),
      broker: { endpoints, dataKey: broker.curve.publicKey },
    };
    queueMicrotask(() => questions.onReply({ kind: 'reply', id: message.id, result, failure: null }));
  };
  questions = new BrokerQuestions({ broker: { endpoint: 'ipc:///broker.sock' }, send }, systemAlarms);
});

afterEach(async () => {
  questions.close();
  await server.stop();
  await rm(folder, { recursive: true });
});

const openLogs = () =>
  LogStore.open(
    join(folder, 'logs'),
    { attemptBytes: 1000, totalBytes: 10_000 },
    { clock: systemClock, alarms, log },
  );

async function write(logs: LogStore, task: number, text: string): Promise<void> {
  const writer = logs.begin(task as TaskId, 1 as AttemptNo);
  if (text !== '') await writer.write(Buffer.from(text));
  await writer.end();
}

/** Until so many transfers have come. */
async function until(count: number): Promise<void> {
  while (came.length < count)
    await new Promise<void>((resolve) => {
      told = resolve;
    });
}

const record = (task: number, text: string): string =>
  `{"task":${task},"attempt":1,"bytes":${text.length}}\n${text}`;

it('those of attempts that are forgotten are brought, empty and ephemeral ones not; each once, whatever restarts', async () => {
  const ephemeral = 2 ** 52 + 1;
  const logs = await openLogs();
  for (const [task, text] of [
    [1, 'one\n'],
    [2, ''],
    [ephemeral, 'x'],
    [3, 'three\n'],
  ] as const)
    await write(logs, task, text);
  // Its output has ended, or is thought to have; the attempt may go on.
  held = [{ fence: { task: 4 as TaskId, attempt: 1 as AttemptNo } }];
  await write(logs, 4, 'four');
  const copies = new LogCopies({ logs, questions, alarms, log, held: () => held });
  copies.begin();
  await until(1);
  expect(came).toEqual([{ worker: 'w-1', text: record(1, 'one\n') + record(3, 'three\n') }]);
  while (logs.uncopied(9, () => false).length > 1) await new Promise(setImmediate);
  held = [];
  copies.begin();
  await until(2);
  expect(came[1]?.text).toBe(record(4, 'four'));
  while (logs.uncopied(9, () => false).length > 0) await new Promise(setImmediate);
  await copies.stop();
  await logs.close();
  expect((await openLogs()).uncopied(9, () => false)).toEqual([]);
});

it('what was not taken is brought again, and by the next life if need be', async () => {
  ends = [failure('rejected.limit', 'no room'), failure('lost.link', 'cut off')];
  const logs = await openLogs();
  await write(logs, 1, 'one\n');
  const copies = new LogCopies({ logs, questions, alarms, log, held: () => held });
  copies.begin();
  await until(3);
  expect(new Set(came.map(({ text }) => text))).toEqual(new Set([record(1, 'one\n')]));
  while (logs.uncopied(9, () => false).length > 0) await new Promise(setImmediate);
  await copies.stop();
  await write(logs, 2, 'two\n');
  await logs.close();
  expect((await openLogs()).uncopied(9, () => false)).toMatchObject([{ task: 2, attempt: 1 }]);
});

it('one that cannot be read any more does not stand before the others', async () => {
  const logs = await openLogs();
  for (const [task, text] of [
    [1, 'one\n'],
    [2, 'two\n'],
  ] as const)
    await write(logs, task, text);
  await rm(join(folder, 'logs', 't1.1.log'));
  const copies = new LogCopies({ logs, questions, alarms, log, held: () => held });
  copies.begin();
  while (!came.some(({ text }) => text === record(2, 'two\n'))) await until(came.length + 1);
  await copies.stop();
});
