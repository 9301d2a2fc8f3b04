/** Commands beside tasks while brokers and workers come and go: real daemons, real containers, the SDK's sessions. */
import type { Client, ExecOptions } from '@gryphgen/client';
import { formatTaskId, type TaskId } from '@gryphgen/protocol';
import type { DuplexSession } from '@gryphgen/runtime';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { type Daemon, DaemonsFixture } from './daemons.fixture.ts';
import { containerOf, untilGone } from './exec.fixture.ts';

let grid: DaemonsFixture;
let broker: Daemon;
let worker: Daemon;
let client: Client;
let task: TaskId;

beforeAll(async () => {
  grid = new DaemonsFixture();
  grid.prepare();
  broker = grid.daemon(['broker']);
  worker = grid.daemon(['worker']);
  client = await grid.client();
  const resources = { cpuMilli: 500, memoryBytes: 0, diskBytes: 0 };
  // Ends with its worker's word alone: what a test does to the broker is no reason.
  const body = { image: 'gryphgen-test:latest', command: ['sleep', '3600'] };
  const submitted = client.submit({ kind: 'container', resources, onLinkLost: 'wait', body });
  task = await submitted.accepted;
  submitted.finished.catch(() => undefined);
  await new Promise<void>((resolve) => {
    const onChange = ({ state }: { readonly state: string }) => {
      if (state === 'running') resolve();
    };
    client.watch(task, { onChange }).catch(() => undefined);
  });
});

afterAll(async () => {
  await client.request('cancel', { task });
  await client.watch(task);
  await grid.stop();
  expect(grid.deaths).toEqual([]);
});

/** The worker is back, and has said what it runs. */
async function ready(): Promise<void> {
  while ((await client.request('nodes', {}))[0]?.state !== 'ready');
  while ((await client.request('show', { task })).state !== 'running');
}

/** A session and what it has printed. */
class Talk {
  text = '';
  readonly session: DuplexSession;
  private wake: () => void = () => undefined;

  constructor(session: DuplexSession) {
    this.session = session;
    void this.listen();
  }

  static async begin(line: string, options: Partial<ExecOptions> = {}): Promise<Talk> {
    return new Talk(await client.exec(task, { command: ['sh', '-c', line], stdin: true, ...options }));
  }

  private async listen(): Promise<void> {
    for await (const { bytes } of this.session.output()) {
      this.text += Buffer.from(bytes).toString();
      this.wake();
    }
  }

  async said(text: string): Promise<void> {
    while (!this.text.includes(text))
      await new Promise<void>((resolve) => {
        this.wake = resolve;
      });
  }
}

test('a session goes on while its broker is killed and started again', async () => {
  const talk = await Talk.begin('while read line; do echo "<$line>"; done; exit 4');
  await talk.session.write(Buffer.from('before\n'));
  await talk.said('<before>');
  await broker.kill();
  await talk.session.write(Buffer.from('without\n'));
  await talk.said('<without>');
  broker.start();
  await client.request('status', {});
  await talk.session.write(Buffer.from('after\n'));
  await talk.said('<after>');
  talk.session.endInput();
  expect(await talk.session.ended).toEqual({ failure: null, exitCode: 4 });
  await ready();
});

test('a worker that stops ends what it runs beside tasks, and says so; the task runs on', async () => {
  const inside = await containerOf(grid.home, formatTaskId(task));
  const talk = await Talk.begin('echo up; exec sleep 3061');
  await talk.said('up');
  await worker.end();
  expect(await talk.session.ended).toMatchObject({
    failure: { code: 'lost.worker', message: 'its worker has been stopped' },
  });
  await untilGone(inside, 'sleep 3061');
  expect((await inside.inspect()).State.Running).toBe(true);
  worker.start();
  await ready();
});

test('of a worker that is killed the client learns at once; the worker’s next life ends the command', async () => {
  const inside = await containerOf(grid.home, formatTaskId(task));
  const tty = { columns: 80, rows: 24 };
  const talk = await Talk.begin('trap "" HUP; echo up; sleep 3071', { tty, user: '1000:1000' });
  await talk.said('up');
  const before = performance.now();
  await worker.kill();
  expect(await talk.session.ended).toMatchObject({ failure: { code: 'lost.link' } });
  // Silence would be noticed after 20 s.
  expect(performance.now() - before).toBeLessThan(10_000);
  worker.start();
  await untilGone(inside, 'sleep 3071');
  expect((await inside.inspect()).State.Running).toBe(true);
  // It ends what was left before it says hello.
  await ready();
});

test('beside one task there are so many at once, and one more when one has ended', async () => {
  const talks = await Promise.all(Array.from({ length: 8 }, () => Talk.begin('cat')));
  await expect(Talk.begin('cat')).rejects.toThrow(`8 commands run beside ${formatTaskId(task)}.1 already`);
  await Promise.all(
    talks.map(async (talk, nth) => {
      await talk.session.write(Buffer.from(`mine is ${nth}`));
      await talk.said(`mine is ${nth}`);
    }),
  );
  talks[0]?.session.endInput();
  expect(await talks[0]?.session.ended).toEqual({ failure: null, exitCode: 0 });
  const another = await Talk.begin('cat');
  await Promise.all([...talks, another].map(({ session }) => session.close()));
});
