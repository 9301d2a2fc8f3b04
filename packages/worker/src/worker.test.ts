/** The whole worker over a real socket, against a broker that the test plays message by message. */
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import {
  decodeFrame,
  defaultTimers,
  encodeBody,
  encodeEnvelope,
  envelopeDefaults,
  type Message,
  type TaskKind,
} from '@gryphgen/protocol';
import {
  BrokerSocket,
  createIdentity,
  createLog,
  type PeerKey,
  readLog,
  type Service,
  signGrant,
  systemAlarms,
  systemClock,
  systemRandom,
} from '@gryphgen/runtime';
import Docker from 'dockerode';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { createWorker } from './worker.ts';

type Kind = Message['kind'];
type Of<K extends Kind> = Extract<Message, { kind: K }>;

const grid = 'g-0123456789abcdef';
const identity = createIdentity();
const brokerIdentity = createIdentity();
const timers = { ...defaultTimers, heartbeatMs: 50, tickMs: 10 };

let home: string;
let broker: BrokerSocket;
let endpoint: string;
let worker: Service;
let heard: Message[];
let waiting: (() => void)[];
let peer: PeerKey;
let session: string;

beforeEach(async () => {
  home = await mkdtemp(join(tmpdir(), 'gg-worker-'));
  heard = [];
  waiting = [];
  session = '';
  broker = new BrokerSocket(
    {
      endpoints: [`ipc://${home}/broker.sock`],
      curve: brokerIdentity.curve,
      admits: () => true,
      alarms: systemAlarms,
    },
    {
      onFrame: (from, frame) => {
        peer = from;
        const decoded = decodeFrame(Buffer.from(frame), 'toBroker');
        if (!decoded.ok) throw new Error(decoded.failure.message);
        heard.push(...decoded.messages);
        for (const wake of waiting.splice(0)) wake();
      },
      onOverflow: () => undefined,
      onGone: () => undefined,
      onBroken: (error) => {
        throw error;
      },
    },
  );
  [endpoint = ''] = await broker.start();
  worker = newWorker();
  await worker.start();
});

afterEach(async () => {
  await worker.stop();
  await broker.stop();
  await rm(home, { recursive: true });
});

function newWorker(): Service {
  return createWorker(
    {
      grid,
      name: 'forge',
      home,
      brokers: [{ endpoint, curveKey: brokerIdentity.curve.publicKey }],
      labels: { rack: 'desk' },
      slots: 8,
      allowProcess: true,
      allowNoop: true,
      dataEndpoints: [`ipc://${home}/data.sock`],
      brokerKey: brokerIdentity.key,
    },
    {
      identity,
      clock: systemClock,
      alarms: systemAlarms,
      random: systemRandom,
      log: createLog({ daemon: 'worker', level: 'error' }),
      onRefused: (failure) => {
        throw new Error(failure.message);
      },
      docker: new Docker({ socketPath: join(home, 'no-engine.sock') }),
      nvidiaSmi: join(home, 'no-nvidia-smi'),
      keeperFile: new URL('../dist/executors/process-keeper.js', import.meta.url).pathname,
    },
  );
}

/** Takes the first such message out of what was heard, or waits for it. */
async function next<K extends Kind>(kind: K, fits: (message: Of<K>) => boolean = () => true): Promise<Of<K>> {
  for (;;) {
    const index = heard.findIndex((message) => message.kind === kind && fits(message as Of<K>));
    if (index >= 0) return heard.splice(index, 1)[0] as Of<K>;
    await new Promise<void>((resolve) => waiting.push(resolve));
  }
}

const say = (message: Message, inSession = session) => broker.queue(peer, inSession, message);

async function welcome(): Promise<Of<'hello'>> {
  await next('knock');
  say({ kind: 'challenge', nonce: 'A'.repeat(43), grid, version: 1 }, '');
  const hello = await next('hello');
  session = `session-${systemRandom.bytes(4).toString('hex')}`;
  say({ kind: 'welcome', session, epoch: 3, timers, credit: 100, principal: 'p-0' } as Message, '');
  return hello;
}

function lease(task: number, kind: TaskKind, body: unknown): void {
  say({
    kind: 'lease',
    leaseSeq: task,
    floor: 1,
    task,
    attempt: 1,
    epoch: 3,
    devices: [],
    envelope: encodeEnvelope({ ...envelopeDefaults, kind }),
    body: encodeBody(body),
  } as unknown as Message);
}

describe('a worker', () => {
  it('says what it has and what it holds, and keeps in touch', async () => {
    const hello = await welcome();
    expect(hello).toMatchObject({
      role: 'worker',
      key: identity.key,
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
    expect(await next('heartbeat')).toMatchObject({ seq: 1, attempts: [] });
    expect(await next('heartbeat')).toMatchObject({ seq: 2 });
  });

  it('runs what it is leased, and repeats the result until it is acknowledged', async () => {
    await welcome();
    lease(1, 'noop', {});
    expect(await next('result')).toMatchObject({ task: 1, attempt: 1, epoch: 3, exitCode: 0, failure: null });
    await next('result');
    say({ kind: 'resultAck', task: 1, attempt: 1, epoch: 3 } as Message);
    await next('heartbeat', ({ attempts }) => attempts.length === 0);
  });

  it('runs processes, and serves their output to whoever has a grant', async () => {
    const hello = await welcome();
    lease(1, 'process', { command: ['sh', '-c', 'echo hello; exit 3'] });
    await next('started');
    expect(await next('result')).toMatchObject({ exitCode: 3, failure: { code: 'execution.exit' } });
    if (hello.peer.kind !== 'worker') throw new Error('not a worker');
    const { dataEndpoint, dataKey } = hello.peer.report;
    const expiresAt = systemClock.wall() + 10_000;
    const grant = signGrant(brokerIdentity, { grid, op: 'logs', task: 1, attempt: 1, expiresAt });
    let text = '';
    const log = { task: 1, attempt: 1, from: 0, follow: true };
    for await (const event of readLog({
      endpoint: dataEndpoint,
      dataKey,
      grant,
      ...log,
      alarms: systemAlarms,
    })) {
      if (event.kind === 'chunk') text += Buffer.from(event.bytes).toString();
      else expect(event.failure).toBeNull();
    }
    expect(text).toBe('hello\n');
  });

  it('loses what it cannot run, in words', async () => {
    await welcome();
    lease(1, 'infer', {});
    const { failure } = await next('result');
    expect(failure).toEqual({
      code: 'lost.worker',
      message: 'this worker runs no infer tasks, only process, noop',
    });
  });

  it('stops what is cancelled', async () => {
    await welcome();
    lease(1, 'noop', { sleepMs: 3_600_000 });
    await next('started');
    say({ kind: 'stop', task: 1, attempt: 1, epoch: 3, leaseSeq: 1, reason: 'cancel' } as Message);
    expect(await next('result')).toMatchObject({ failure: { code: 'cancelled.user' } });
  });

  it('says hello again when it is not known, with what it holds', async () => {
    await welcome();
    lease(1, 'noop', { sleepMs: 3_600_000 });
    await next('started');
    say({ kind: 'helloAgain' }, '');
    const hello = await welcome();
    expect(hello.peer).toMatchObject({ attempts: [{ task: 1, attempt: 1, epoch: 3, phase: 'running' }] });
  });

  it('remembers the journal head it was shown last', async () => {
    await welcome();
    const head = { seq: 12, digest: 'ab'.repeat(32) };
    const { seq } = await next('heartbeat');
    say({ kind: 'heartbeatAck', seq, head });
    lease(1, 'noop', {});
    await next('result');
    await worker.stop();
    expect(JSON.parse(await readFile(join(home, 'worker', 'head.json'), 'utf8'))).toEqual(head);
    heard = [];
    worker = newWorker();
    await worker.start();
    expect((await welcome()).peer).toMatchObject({ head });
  });
});
