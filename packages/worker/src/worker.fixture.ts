/** For tests of the whole worker over a real socket: a broker that the test plays message by message. */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import {
  type DeviceShare,
  decodeFrame,
  defaultTimers,
  type Envelope,
  encodeBody,
  encodeEnvelope,
  envelopeDefaults,
  failure,
  type Message,
  type TaskKind,
  type Welcome,
} from '@gryphgen/protocol';
import {
  BrokerSocket,
  createIdentity,
  createLog,
  type PeerKey,
  type Service,
  systemAlarms,
  systemClock,
  systemRandom,
} from '@gryphgen/runtime';
import { connectEngine } from './executors/engine-connection.ts';
import { endProcesses } from './executors/process-keeper-place.ts';
import { createWorker } from './worker.ts';
import type { WorkerConfig, WorkerDeps } from './worker-config.ts';

type Kind = Message['kind'];
export type Of<K extends Kind> = Extract<Message, { kind: K }>;

const timers = { ...defaultTimers, heartbeatMs: 50, tickMs: 10 };

export class PlayedBroker {
  readonly grid = 'g-0123456789abcdef';
  readonly identity = createIdentity();
  readonly workerIdentity = createIdentity();
  readonly home: string;
  heard: Message[] = [];
  private readonly socket: BrokerSocket;
  private endpoint = '';
  private waiting: (() => void)[] = [];
  private peer: PeerKey | undefined;
  private session = '';

  private constructor(home: string) {
    this.home = home;
    this.socket = new BrokerSocket(
      {
        endpoints: [`ipc://${home}/broker.sock`],
        curve: this.identity.curve,
        admits: () => true,
        alarms: systemAlarms,
      },
      {
        onFrame: (from, frame) => {
          this.peer = from;
          const decoded = decodeFrame(Buffer.from(frame), 'toBroker');
          if (!decoded.ok) throw new Error(decoded.failure.message);
          this.heard.push(...decoded.messages.filter((message) => !this.refusesRelay(message)));
          for (const wake of this.waiting.splice(0)) wake();
        },
        onOverflow: () => undefined,
        onGone: () => undefined,
        onBroken: (error) => {
          throw error;
        },
      },
    );
  }

  static async start(): Promise<PlayedBroker> {
    const broker = new PlayedBroker(await mkdtemp(join(tmpdir(), 'gg-worker-')));
    [broker.endpoint = ''] = await broker.socket.start();
    return broker;
  }

  async stop(): Promise<void> {
    await this.socket.stop();
    await endProcesses(this.home);
    await rm(this.home, { recursive: true });
  }

  /** A worker of this broker and home, without engine and devices but for what `over` gives it. */
  newWorker(over: Partial<WorkerDeps> = {}, config: Partial<WorkerConfig> = {}): Service {
    const { home, grid } = this;
    return createWorker(
      {
        grid,
        name: 'forge',
        home,
        brokers: [{ endpoint: this.endpoint, curveKey: this.identity.curve.publicKey }],
        labels: { rack: 'desk' },
        slots: 8,
        allowProcess: true,
        allowNoop: true,
        dataEndpoints: [`ipc://${home}/data.sock`],
        brokerKey: () => this.identity.key,
        ...config,
      },
      {
        identity: this.workerIdentity,
        clock: systemClock,
        alarms: systemAlarms,
        random: systemRandom,
        log: createLog({ daemon: 'worker', level: 'silent' }),
        onRefused: (failure) => {
          throw new Error(failure.message);
        },
        docker: connectEngine({ socketPath: join(home, 'no-engine.sock') }),
        nvidiaSmi: join(home, 'no-nvidia-smi'),
        measure: async () => ({ cpuSingle: 1 }),
        keeperFile: new URL('../dist/executors/process-keeper.js', import.meta.url).pathname,
        ...over,
      },
    );
  }

  /** Takes the first such message out of what was heard, or waits for it. */
  async next<K extends Kind>(kind: K, fits: (message: Of<K>) => boolean = () => true): Promise<Of<K>> {
    for (;;) {
      const index = this.heard.findIndex((message) => message.kind === kind && fits(message as Of<K>));
      if (index >= 0) return this.heard.splice(index, 1)[0] as Of<K>;
      await new Promise<void>((resolve) => this.waiting.push(resolve));
    }
  }

  say(message: Message, session = this.session): void {
    if (this.peer === undefined) throw new Error('nobody has spoken yet');
    this.socket.queue(this.peer, session, message);
  }

  /** Waits for a worker and takes it into a session. */
  async welcome(facts: Partial<Welcome> = {}): Promise<Of<'hello'>> {
    await this.next('knock');
    this.say({ kind: 'challenge', nonce: 'A'.repeat(43), grid: this.grid, version: 1 }, '');
    const hello = await this.next('hello');
    this.session = `session-${systemRandom.bytes(4).toString('hex')}`;
    const { session } = this;
    const usual = { kind: 'welcome', session, epoch: 3, timers, credit: 100, principal: 'p-0' };
    this.say({ ...usual, ...facts } as Message, '');
    return hello;
  }

  /** As brokers do that have none: else the worker asks again and again. */
  private refusesRelay(message: Message): boolean {
    if (message.kind !== 'request' || message.op !== 'relay') return false;
    const why = failure('rejected.invalid', 'no operation "relay"');
    this.say({ kind: 'reply', id: message.id, result: null, failure: why });
    return true;
  }

  lease(
    task: number,
    kind: TaskKind,
    body: unknown,
    over: Partial<Envelope> & { readonly devices?: readonly DeviceShare[] } = {},
  ): void {
    const { devices = [], ...facts } = over;
    this.say({
      kind: 'lease',
      leaseSeq: task,
      floor: 1,
      task,
      attempt: 1,
      epoch: 3,
      devices,
      envelope: encodeEnvelope({ ...envelopeDefaults, kind, ...facts }),
      body: encodeBody(body),
    } as unknown as Message);
  }
}
