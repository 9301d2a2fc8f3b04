/** A real broker on real sockets in a folder of its own, with keys for an administrator and workers. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Broker, type BrokerOptions } from '@gryphgen/broker';
import { Client, type ClientOptions } from '@gryphgen/client';
import type { EnrolledRole, JournalHead, Role, ToBroker, ToWorker, WorkerReport } from '@gryphgen/protocol';
import {
  AuthorizedKeys,
  createIdentity,
  gridIdOf,
  type Identity,
  Link,
  loadIdentity,
  systemAlarms,
  systemClock,
  systemRandom,
} from '@gryphgen/runtime';

export const silentLog = { debug() {}, info() {}, warn() {}, error() {} };

export class BrokerFixture {
  readonly home: string;
  readonly identity: Identity;
  readonly grid: string;
  authorized: AuthorizedKeys;
  readonly fatal: unknown[] = [];
  endpoint = '';
  private readonly options: Partial<BrokerOptions>;
  private broker: Broker | undefined;
  private readonly undo: (() => Promise<void>)[] = [];

  constructor(options: Partial<BrokerOptions> = {}, home = mkdtempSync(join(tmpdir(), 'gg-broker-'))) {
    this.home = home;
    this.options = options;
    this.identity = loadIdentity(this.home, 'broker');
    this.grid = gridIdOf(this.identity.key);
    this.authorized = new AuthorizedKeys(this.home);
  }

  async start(): Promise<void> {
    // As a new process has it: from the file.
    this.authorized = new AuthorizedKeys(this.home);
    this.broker = new Broker({
      home: this.home,
      endpoints: [this.endpoint === '' ? 'tcp://127.0.0.1:*' : this.endpoint],
      grid: this.grid,
      identity: this.identity,
      authorized: this.authorized,
      clock: systemClock,
      alarms: systemAlarms,
      random: systemRandom,
      log: silentLog,
      onFatal: (error) => this.fatal.push(error),
      ...this.options,
    });
    this.endpoint = (await this.broker.start())[0] as string;
  }

  async stopBroker(): Promise<void> {
    await this.broker?.stop();
    this.broker = undefined;
  }

  async stop(): Promise<void> {
    for (const undo of this.undo.splice(0).reverse()) await undo();
    await this.stopBroker();
    rmSync(this.home, { recursive: true, force: true });
  }

  enrol(role: EnrolledRole, name: string): Identity {
    const identity = createIdentity();
    this.authorized.add({ key: identity.key, curveKey: identity.curve.publicKey, role, name, addedAt: 1 });
    return identity;
  }

  private linkOptions(identity: Identity, role: Role) {
    return {
      brokers: [{ endpoint: this.endpoint, curveKey: this.identity.curve.publicKey }],
      grid: this.grid,
      identity,
      role,
      clock: systemClock,
      alarms: systemAlarms,
      random: systemRandom,
      log: silentLog,
    };
  }

  async client(
    role: EnrolledRole = 'admin',
    identity = this.enrol(role, role),
    bounds: ClientOptions['bounds'] = {},
  ): Promise<Client> {
    const client = new Client({ ...this.linkOptions(identity, role), bounds });
    this.undo.push(() => client.close());
    await client.start();
    return client;
  }

  /** A worker that speaks the wire and runs nothing: `onMessage` decides what it says to what it is told. */
  async worker(
    name: string,
    onMessage: (message: ToWorker, say: (message: ToBroker) => void) => void,
    over: Partial<WorkerReport> = {},
    identity = this.enrol('worker', name),
    head: JournalHead | null = null,
  ): Promise<Link<'toWorker'>> {
    const report: WorkerReport = {
      name,
      capabilities: ['noop', 'process'],
      labels: {},
      cpuMilli: 64_000,
      memoryBytes: 2 ** 36,
      diskBytes: 2 ** 40,
      devices: [],
      images: [],
      slots: 1024,
      speed: 1,
      dataEndpoint: '',
      dataKey: '',
      version: '0.1.0',
      ...over,
    };
    let heartbeat = 0;
    let opened: () => void = () => undefined;
    const isOpen = new Promise<void>((resolve) => {
      opened = resolve;
    });
    const link = new Link(
      { ...this.linkOptions(identity, 'worker'), direction: 'toWorker' },
      {
        hello: () => ({ kind: 'worker', boot: 'b', report, attempts: [], head }),
        onOpen: () => {
          heartbeat = 0;
          opened();
        },
        onMessage: (message) => onMessage(message, (answer) => link.send(answer)),
        onClosed: () => undefined,
        onRefused: (why) => this.fatal.push(why),
      },
    );
    const beat = setInterval(() => {
      heartbeat += 1;
      link.send({ kind: 'heartbeat', seq: heartbeat, attempts: [] });
    }, 2000);
    this.undo.push(async () => {
      clearInterval(beat);
      await link.stop();
    });
    link.start();
    await isOpen;
    return link;
  }
}
