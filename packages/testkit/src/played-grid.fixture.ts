/**
 * A broker on real sockets in a folder of its own, and peers that say what they like: for tests of what it lets them do.
 */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Broker } from '@gryphgen/broker';
import {
  type EnrolledRole,
  encodeEnvelope,
  envelopeDefaults,
  type Failure,
  type Message,
  type PeerHello,
  type PrincipalId,
  type PrincipalLimitTable,
  type Role,
  type TaskId,
} from '@gryphgen/protocol';
import {
  AuthorizedKeys,
  createIdentity,
  gridIdOf,
  type Identity,
  Link,
  principalIdOf,
  systemAlarms,
  systemClock,
  systemRandom,
} from '@gryphgen/runtime';

type Said = Parameters<Link<'toClient'>['send']>[0];
/** Who a peer is: `role` is what it says, `for` whom a delegate acts for. */
export interface Playing {
  readonly role: Role;
  readonly identity?: Identity;
  readonly actsFor?: PrincipalId;
}

const log = { debug() {}, info() {}, warn() {}, error() {} };
/** So long that a slow disk ends no session and stalls no journal. */
const timers = { heartbeatMs: 60_000, leaseMs: 120_000, graceMs: 5000, tickMs: 6000 };
const ports = { clock: systemClock, alarms: systemAlarms, random: systemRandom, log };

export class PlayedGrid {
  readonly home = mkdtempSync(join(tmpdir(), 'gg-played-'));
  readonly endpoint = `ipc://${this.home}/broker`;
  readonly gridKey = createIdentity();
  readonly grid = gridIdOf(this.gridKey.key);
  authorized = new AuthorizedKeys(this.home);
  private readonly links: Link<'toClient'>[] = [];
  private broker: Broker | undefined;
  private peers = 0;

  /** As a new process does: from what is on the disk. */
  async start(principalLimits?: PrincipalLimitTable): Promise<void> {
    const { home, endpoint, grid } = this;
    this.authorized = new AuthorizedKeys(home);
    this.broker = new Broker({
      ...ports,
      timers,
      home,
      endpoints: [endpoint],
      grid,
      identity: this.gridKey,
      authorized: this.authorized,
      onFatal: (error) => {
        throw error;
      },
      ...(principalLimits && { principalLimits }),
    });
    await this.broker.start();
  }

  async stopBroker(): Promise<void> {
    await this.broker?.stop();
  }

  async stop(): Promise<void> {
    await Promise.all(this.links.map((link) => link.stop()));
    await this.stopBroker();
    rmSync(this.home, { recursive: true });
  }

  enrol(role: EnrolledRole, name: string = role): Identity {
    const identity = createIdentity();
    this.authorized.add({ ...keysOf(identity), role, name, addedAt: 1 });
    return identity;
  }

  async ticket(role: EnrolledRole = 'viewer'): Promise<Identity> {
    const identity = createIdentity();
    const now = systemClock.wall();
    await this.authorized.addTicket({ ...keysOf(identity), role, expiresAt: now + 3600_000 }, now);
    return identity;
  }

  /** Somebody new, unless it is said who. */
  peer({ role, identity = this.enrol(role as EnrolledRole), actsFor }: Playing): Peer {
    this.peers += 1;
    const hello = role === 'worker' ? machine : client(`c${this.peers}`);
    const connect = (owner: ConstructorParameters<typeof Link<'toClient'>>[1]): Link<'toClient'> => {
      const brokers = [{ endpoint: this.endpoint, curveKey: this.gridKey.curve.publicKey }];
      const who = { grid: this.grid, identity, role, ...(actsFor && { actsFor }) };
      const link = new Link<'toClient'>({ ...ports, ...who, brokers, direction: 'toClient' }, owner);
      this.links.push(link);
      return link;
    };
    return new Peer(identity, hello, connect);
  }
}

export function keysOf({ key, curve }: Identity) {
  return { key, curveKey: curve.publicKey };
}

type Connect = (owner: ConstructorParameters<typeof Link<'toClient'>>[1]) => Link<'toClient'>;

/** Somebody at the other end of a connection, who comes back when the broker has ended the session. */
export class Peer {
  readonly identity: Identity;
  readonly principal: PrincipalId;
  private readonly hello: PeerHello;
  private readonly connect: Connect;
  private link: Link<'toClient'> | undefined;
  private readonly waiting = new Set<(message: Message | 'closed') => void>();
  private left: Promise<void> | undefined;
  private count = 0;
  private beats = 0;

  constructor(identity: Identity, hello: PeerHello, connect: Connect) {
    this.identity = identity;
    this.principal = principalIdOf(identity.key);
    this.hello = hello;
    this.connect = connect;
  }

  /** In session; or why it is not let in. */
  async open(): Promise<Failure | undefined> {
    if (this.link !== undefined) return undefined;
    await this.left;
    return new Promise((resolve) => {
      const closed = (): void => {
        if (this.link !== link) return;
        this.link = undefined;
        this.left = link.stop();
        this.beats = 0;
        this.heard('closed');
      };
      const shut = (why: Failure): void => {
        closed();
        this.left = link.stop();
        resolve(why);
      };
      const link = this.connect({
        hello: () => this.hello,
        onOpen: () => {
          this.link = link;
          resolve(undefined);
        },
        onMessage: (message) => this.heard(message),
        onClosed: closed,
        onRefused: shut,
        onTurnedAway: shut,
      });
      link.start();
    });
  }

  private async linked(): Promise<Link<'toClient'>> {
    const why = await this.open();
    if (this.link === undefined) throw new Error(`not let in: ${why?.message}`);
    return this.link;
  }

  /** Resolves when the session that is open ends. */
  closed(): Promise<void> {
    return new Promise((resolve) => {
      const hears = (heard: Message | 'closed'): void => {
        if (heard !== 'closed') return;
        this.waiting.delete(hears);
        resolve();
      };
      this.waiting.add(hears);
    });
  }

  private heard(message: Message | 'closed'): void {
    for (const hears of this.waiting) hears(message);
  }

  /** Says it and waits for the first thing heard that `takes` makes something of; undefined when the session ends. */
  private async say<T>(message: Said, takes: (heard: Message) => T | undefined) {
    const link = await this.linked();
    return new Promise<T | undefined>((resolve) => {
      const hears = (heard: Message | 'closed'): void => {
        const taken = heard === 'closed' ? undefined : takes(heard);
        if (heard !== 'closed' && taken === undefined) return;
        this.waiting.delete(hears);
        resolve(taken);
      };
      this.waiting.add(hears);
      link.send(message);
    });
  }

  async ask(
    op: string,
    args: object,
  ): Promise<{ readonly failure: Failure | null; readonly result: unknown }> {
    this.count += 1;
    const id = this.count;
    const answer = await this.say({ kind: 'request', id, op, args }, (heard) =>
      heard.kind === 'reply' && heard.id === id ? heard : undefined,
    );
    if (answer === undefined) throw new Error(`${op} ended the session`);
    return answer;
  }

  /** A task that waits for ever. */
  async submit(): Promise<TaskId | Failure> {
    this.count += 1;
    const seq = this.count;
    const envelope = encodeEnvelope({ ...envelopeDefaults, kind: 'noop' });
    const told = await this.say(
      { kind: 'submit', seq, floor: 1, key: '', envelope, body: new Uint8Array(0) },
      (heard) => ('seq' in heard && heard.seq === seq && heard.kind !== 'heartbeatAck' ? heard : undefined),
    );
    if (told?.kind === 'accepted') return told.task;
    return (told as { failure: Failure }).failure;
  }

  /** What is heard of a task that is watched; `closed` when the session ends. */
  async watch(task: TaskId): Promise<Failure | 'changed' | 'closed'> {
    const told = await this.say({ kind: 'watch', tasks: [task], progress: true }, (heard) =>
      (heard.kind === 'changed' || heard.kind === 'finished') && heard.task === task ? heard : undefined,
    );
    if (told === undefined) return 'closed';
    return told.kind === 'changed' ? 'changed' : (told.failure as Failure);
  }

  /** Whether the session goes on after a word of a worker's. */
  async report(task: TaskId): Promise<boolean> {
    const link = await this.linked();
    link.send({ kind: 'started', task, attempt: 1 as never, epoch: 1 as never });
    this.beats += 1;
    const beat = { kind: 'heartbeat', seq: this.beats, attempts: [] } as const;
    return (await this.say(beat, (heard) => (heard.kind === 'heartbeatAck' ? true : undefined))) === true;
  }
}

const client = (id: string): PeerHello => ({ kind: 'client', client: id as never });
const machine: PeerHello = {
  kind: 'worker',
  boot: 'b',
  attempts: [],
  head: null,
  report: {
    name: 'anvil',
    capabilities: ['noop'],
    labels: {},
    cpuMilli: 1000,
    memoryBytes: 0,
    diskBytes: 0,
    devices: [],
    images: [],
    slots: 4,
    speed: 1,
    // It is given nothing: a peer that reads what clients read would not know a lease.
    pressures: [{ name: 'played', forMs: 0, words: 'it is played', stops: ['noop'] }],
    dataEndpoint: '',
    dataKey: '',
    version: '0.1.0',
  },
};
