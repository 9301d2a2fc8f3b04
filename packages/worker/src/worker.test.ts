/** The whole worker over a real socket. */
import { readFile } from 'node:fs/promises';
import { connect } from 'node:net';
import { join } from 'node:path';
import type { Failure, Message, PrincipalId } from '@gryphgen/protocol';
import { readLog, type Service, signGrant, systemAlarms, systemClock } from '@gryphgen/runtime';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { type Of, PlayedBroker } from './worker.fixture.ts';

let broker: PlayedBroker;
let worker: Service;

beforeEach(async () => {
  broker = await PlayedBroker.start();
  worker = broker.newWorker();
  await worker.start();
});

afterEach(async () => {
  await worker.stop();
  await broker.stop();
});

/** What the log of task 1 holds for who has a grant until `expiresAt`. */
async function readWith(
  { peer }: Of<'hello'>,
  expiresAt: number,
  principal = 'p-1',
  onChunk = () => {},
): Promise<{ readonly text: string; readonly why: Failure | null | undefined }> {
  if (peer.kind !== 'worker') throw new Error('not a worker');
  const { dataEndpoint: endpoint, dataKey } = peer.report;
  const which = { task: 1, attempt: 1 };
  const grant = signGrant(broker.identity, { grid: broker.grid, op: 'logs', ...which, principal, expiresAt });
  const reading = { endpoint, dataKey, grant, ...which, from: 0, follow: true, alarms: systemAlarms };
  let [text, why]: [string, Failure | null | undefined] = ['', undefined];
  for await (const event of readLog(reading)) {
    if (event.kind === 'chunk') {
      text += Buffer.from(event.bytes).toString();
      onChunk();
    } else why = event.failure;
  }
  return { text, why };
}

function answers(socket: string): Promise<boolean> {
  return new Promise((resolve) => {
    const connection = connect(socket, () => connection.destroy());
    connection.on('error', () => undefined).on('close', (hadError) => resolve(!hadError));
  });
}

describe('a worker', () => {
  it('says what it has and what it holds, and keeps in touch', async () => {
    const hello = await broker.welcome();
    expect(hello).toMatchObject({
      role: 'worker',
      key: broker.workerIdentity.key,
      peer: {
        kind: 'worker',
        attempts: [],
        head: null,
        report: {
          name: 'forge',
          labels: { rack: 'desk' },
          slots: 8,
          devices: [],
          capabilities: ['process', 'noop'],
        },
      },
    });
    expect(hello.peer.kind === 'worker' && hello.peer.report.cpuMilli).toBeGreaterThanOrEqual(1000);
    expect(await broker.next('heartbeat')).toMatchObject({ seq: 1, attempts: [] });
    expect(await broker.next('heartbeat')).toMatchObject({ seq: 2 });
  });

  it('runs what it is leased, and repeats the result until it is acknowledged', async () => {
    await broker.welcome();
    broker.lease(1, 'noop', {});
    expect(await broker.next('result')).toMatchObject({
      task: 1,
      attempt: 1,
      epoch: 3,
      exitCode: 0,
      failure: null,
    });
    await broker.next('result');
    broker.say({ kind: 'resultAck', task: 1, attempt: 1, epoch: 3 } as Message);
    await broker.next('heartbeat', ({ attempts }) => attempts.length === 0);
  });

  it('runs processes, and serves their output to whoever has a grant', async () => {
    const hello = await broker.welcome();
    broker.lease(1, 'process', { command: ['sh', '-c', 'echo hello; exit 3'] });
    await broker.next('started');
    expect(await broker.next('result')).toMatchObject({ exitCode: 3, failure: { code: 'execution.exit' } });
    expect(await readWith(hello, systemClock.wall() + 60_000)).toEqual({ text: 'hello\n', why: null });
  });

  it('takes a grant as the clock of its broker has it, and says so when it is too old', async () => {
    const wallMs = systemClock.wall() - 3_600_000;
    const hello = await broker.welcome({ wallMs });
    broker.lease(1, 'process', { command: ['echo', 'hello'] });
    await broker.next('result');
    expect(await readWith(hello, wallMs + 60_000)).toEqual({ text: 'hello\n', why: null });
    const { text, why } = await readWith(hello, wallMs - 61_000);
    expect(text).toBe('');
    expect(why?.code).toBe('rejected.forbidden');
    expect(why?.message).toMatch(/^this grant was good until \d+ (s|min).* ago, by the broker's clock/);
  });

  it('ends what runs for somebody as soon as it hears that they were revoked', async () => {
    const hello = await broker.welcome();
    broker.lease(1, 'process', { command: ['sh', '-c', 'echo hello; exec sleep 600'] });
    await broker.next('started');
    const expiresAt = systemClock.wall() + 60_000;
    const read = readWith(hello, expiresAt, 'p-0123456789abcdef', () =>
      broker.say({ kind: 'revoked', principals: ['p-0123456789abcdef' as PrincipalId] }),
    );
    expect(await read).toMatchObject({ text: 'hello\n', why: { code: 'rejected.forbidden' } });
    expect(await readWith(hello, expiresAt, 'p-0123456789abcdef')).toMatchObject({ text: '' });
  });

  it('has an empty log of what printed nothing, and says what it has no more', async () => {
    const hello = await broker.welcome();
    const inTime = systemClock.wall() + 60_000;
    expect((await readWith(hello, inTime)).why).toEqual({
      code: 'rejected.not-found',
      message: 'the output of t1.1 is no longer kept on this worker',
    });
    broker.lease(1, 'noop', {});
    await broker.next('result');
    expect(await readWith(hello, inTime)).toEqual({ text: '', why: null });
  });

  it('loses what it cannot run, in words', async () => {
    await broker.welcome();
    broker.lease(1, 'retrieve', {});
    const { failure } = await broker.next('result');
    expect(failure).toEqual({
      code: 'lost.worker',
      message: 'this worker runs no retrieve tasks, only process, noop',
    });
  });

  it('stops what is cancelled', async () => {
    await broker.welcome();
    broker.lease(1, 'noop', { sleepMs: 3_600_000 });
    await broker.next('started');
    broker.say({ kind: 'stop', task: 1, attempt: 1, epoch: 3, leaseSeq: 1, reason: 'cancel' } as Message);
    expect(await broker.next('result')).toMatchObject({ failure: { code: 'cancelled.user' } });
  });

  it('says hello again when it is not known, with what it holds', async () => {
    await broker.welcome();
    broker.lease(1, 'noop', { sleepMs: 3_600_000 });
    await broker.next('started');
    broker.say({ kind: 'helloAgain' }, '');
    const hello = await broker.welcome();
    expect(hello.peer).toMatchObject({ attempts: [{ task: 1, attempt: 1, epoch: 3, phase: 'running' }] });
  });

  it('keeps a second worker out of its home, and says who it is', async () => {
    const second = broker.newWorker();
    await expect(second.start()).rejects.toThrow(
      `${join(broker.home, 'worker')} is in use by process ${process.pid}. One worker at a time`,
    );
    await second.stop();
    await worker.stop();
    worker = broker.newWorker();
    await worker.start();
  });

  it('that is stopped while it starts leaves nothing open, whenever that is', async () => {
    await worker.stop();
    const endpoint = join(broker.home, 'data.sock');
    let [begun, served] = [0, 0];
    while (served === 0) {
      const other = broker.newWorker();
      const started = other.start();
      for (let turn = 0; turn < begun; turn += 1) await new Promise(setImmediate);
      if (await answers(endpoint)) served += 1;
      await other.stop();
      await started;
      // libzmq closes it a moment later, in a thread of its own.
      await expect.poll(() => answers(endpoint), { message: `stopped after ${begun} turns` }).toBe(false);
      begun += 1;
    }
    // Its folder is free, too.
    worker = broker.newWorker();
    await worker.start();
  });

  it('remembers the journal head it was shown last', async () => {
    await broker.welcome();
    const head = { seq: 12, digest: 'ab'.repeat(32) };
    const { seq } = await broker.next('heartbeat');
    broker.say({ kind: 'heartbeatAck', seq, head });
    broker.lease(1, 'noop', {});
    await broker.next('result');
    await worker.stop();
    expect(JSON.parse(await readFile(join(broker.home, 'worker', 'head.json'), 'utf8'))).toEqual(head);
    broker.heard = [];
    worker = broker.newWorker();
    await worker.start();
    expect((await broker.welcome()).peer).toMatchObject({ head });
  });
});
