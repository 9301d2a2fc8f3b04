/**
 * The relay (E35): passes frames on between askers and workers that they cannot connect to, each of which keeps one
 * connection to it. It is trusted with bytes and not with permissions: the worker judges each grant as if it had come straight.
 *
 * 1. Nothing is passed on for who has no grant of this grid's broker for that worker; what comes from a worker goes to
 *    its own askers alone.
 * 2. There are `maxWorkers`, `maxAskers`, and `maxAskersOfWorker`. What waits for a connection is bounded for each asker
 *    (fair-queue.ts): who is over that is given up, and holds up no other.
 * 3. When either end is gone, or silent for `silenceMs`, the other is told. A worker's newer connection takes the place
 *    of the former.
 */
import { type Failure, failure } from '@gryphgen/protocol';
import type { Alarms, Cancel, Clock } from '../clock.ts';
import { dataMagic, decodeDataRequest, encodeData, keepAliveMs, silenceMs } from '../data-wire.ts';
import type { Grant } from '../grant.ts';
import { GrantCheck, type GrantCheckOptions, revokedFailure } from '../grant-check.ts';
import type { SendOutcome } from '../transfers.ts';
import { RelayOutlet } from './relay-outlet.ts';
import { decodeJoin, noFrame, relayMagic } from './relay-wire.ts';

/** As many as a grid has; each costs a connection. */
const maxWorkers = 1024;
/** As many as a data endpoint has transfers. */
const maxAskers = 256;
/** What waits for one worker is so bounded, too. */
const maxAskersOfWorker = 64;

export interface RelayOptions extends GrantCheckOptions {
  readonly clock: Clock;
  readonly alarms: Alarms;
  /** Once, without waiting. */
  readonly send: (id: Buffer, ...parts: readonly Uint8Array[]) => Promise<SendOutcome>;
  /** Which workers are connected, at each change. */
  readonly onRelayed: (workers: readonly string[]) => void;
}

interface RelayedWorker {
  readonly kind: 'worker';
  readonly key: string;
  readonly id: Buffer;
  readonly worker: string;
  readonly grant: Grant;
  readonly outlet: RelayOutlet;
  readonly askers: Map<string, Asker>;
  heardAt: number;
}

interface Asker {
  readonly kind: 'asker';
  readonly key: string;
  readonly id: Buffer;
  readonly grant: Grant;
  readonly outlet: RelayOutlet;
  /** Null when it has been told the end: until it hangs up, what it says is passed over. */
  at: RelayedWorker | null;
  heardAt: number;
}

type Peer = RelayedWorker | Asker;
const alive = encodeData({ kind: 'alive' });
/** All that an asker is told comes from one worker. */
const onlyLine = '';

export class Relay {
  readonly counters = { relayed: 0, relayRefused: 0, relayMalformed: 0, relayFull: 0, relayLost: 0 };
  private readonly options: RelayOptions;
  private readonly check: GrantCheck;
  /** By connection. */
  private readonly peers = new Map<string, Peer>();
  /** By id. */
  private readonly workers = new Map<string, RelayedWorker>();
  private readonly running = new Set<Promise<void>>();
  private cancelLook: Cancel = () => undefined;

  constructor(options: RelayOptions) {
    this.options = options;
    this.check = new GrantCheck(options);
  }

  /** Of connections now. */
  get open(): Readonly<Record<'relayWorkers' | 'relayAskers', number>> {
    return { relayWorkers: this.workers.size, relayAskers: this.peers.size - this.workers.size };
  }

  start(): void {
    this.cancelLook = this.options.alarms.after(keepAliveMs, () => {
      const now = this.options.clock.mono();
      for (const peer of [...this.peers.values()])
        if (now - peer.heardAt > silenceMs) this.forget(peer, silent);
      this.start();
    });
  }

  async stop(): Promise<void> {
    this.cancelLook();
    for (const worker of [...this.workers.values()]) this.forget(worker, stopped);
    for (const peer of [...this.peers.values()]) this.forget(peer, stopped);
    await Promise.all(this.running);
  }

  revoke(principals: readonly string[]): void {
    this.check.revoke(principals);
    for (const peer of [...this.peers.values()])
      if (this.check.isVoid(peer.grant)) this.forget(peer, revokedFailure);
  }

  /** What came by a connection, behind the magic. */
  receive(id: Buffer, parts: readonly Buffer[]): void {
    const key = id.toString('latin1');
    const peer = this.peers.get(key);
    const [first, second] = parts;
    if (peer === undefined) {
      if (parts.length === 1 && first) this.onJoin(key, id, first);
      else if (parts.length === 2 && first && second) this.onOpen(key, id, first.toString('latin1'), second);
      else this.counters.relayMalformed++;
      return;
    }
    peer.heardAt = peer.kind === 'worker' || peer.at ? this.options.clock.mono() : peer.heardAt;
    if (peer.kind === 'asker' && parts.length === 1 && first) this.fromAsker(peer, first);
    else if (peer.kind === 'worker' && parts.length === 2 && first && second)
      this.toAsker(peer, first.toString('latin1'), second);
    else if (peer.kind === 'worker' && parts.length === 0) this.say(id, relayMagic, alive);
    else this.counters.relayMalformed++;
  }

  /** Some connection has ended: which one shows when it is spoken to. */
  findGone(): void {
    for (const peer of this.peers.values()) {
      const magic = peer.kind === 'worker' ? relayMagic : dataMagic;
      const found = this.options.send(peer.id, magic, alive).then((outcome) => {
        if (outcome === 'gone') this.forget(peer, null);
      });
      this.track(found);
    }
  }

  private onJoin(key: string, id: Buffer, frame: Buffer): void {
    const request = decodeJoin(frame);
    if (request === undefined) {
      this.counters.relayMalformed++;
      return;
    }
    let grant = this.check.judge(key, request);
    if (!('code' in grant) && this.workers.size >= maxWorkers && !this.workers.has(grant.worker ?? ''))
      grant = failure('rejected.limit', `${maxWorkers} workers are connected to the relay`);
    if (!('code' in grant)) grant = this.check.use(grant) ?? grant;
    if ('code' in grant) {
      this.refuse(id, relayMagic, grant);
      return;
    }
    const { worker = '' } = grant;
    const former = this.workers.get(worker);
    if (former !== undefined) this.forget(former, null);
    const send = (name: string, bytes: Uint8Array) =>
      this.options.send(id, relayMagic, Buffer.from(name, 'latin1'), bytes);
    const outlet = this.outlet(send, () => this.forget(relayed, null));
    const heardAt = this.options.clock.mono();
    const relayed: RelayedWorker = {
      kind: 'worker',
      key,
      id,
      worker,
      grant,
      outlet,
      askers: new Map(),
      heardAt,
    };
    this.peers.set(key, relayed);
    this.workers.set(worker, relayed);
    this.say(id, relayMagic, alive);
    this.options.onRelayed([...this.workers.keys()]);
  }

  private onOpen(key: string, id: Buffer, worker: string, frame: Buffer): void {
    const found = this.judge(key, worker, frame);
    if (found === undefined) {
      this.counters.relayMalformed++;
      return;
    }
    if ('code' in found) {
      this.refuse(id, dataMagic, found);
      return;
    }
    const { grant, at } = found;
    const send = (_: string, bytes: Uint8Array) => this.options.send(id, dataMagic, bytes);
    const outlet = this.outlet(send, () => this.forget(asker, null));
    const asker: Asker = { kind: 'asker', key, id, grant, outlet, at, heardAt: this.options.clock.mono() };
    this.counters.relayed++;
    this.peers.set(key, asker);
    at.askers.set(key, asker);
    this.fromAsker(asker, frame);
  }

  /** Undefined: it makes no sense. */
  private judge(
    key: string,
    worker: string,
    frame: Buffer,
  ): { readonly grant: Grant; readonly at: RelayedWorker } | Failure | undefined {
    const request = decodeDataRequest(frame);
    if (request === undefined || !('grant' in request)) return undefined;
    const grant = this.check.judge(key, request, worker);
    if ('code' in grant) return grant;
    if (!isFor(worker, grant)) return failure('rejected.forbidden', 'this grant is not good for that worker');
    const at = this.workers.get(worker);
    if (at === undefined) return notConnected;
    if (this.peers.size - this.workers.size >= maxAskers || at.askers.size >= maxAskersOfWorker)
      return failure('rejected.limit', `${at.askers.size} transfers with that worker go through the relay`);
    return { grant, at };
  }

  private fromAsker(asker: Asker, frame: Buffer): void {
    if (asker.at === null || asker.at.outlet.put(asker.key, frame)) return;
    this.counters.relayFull++;
    this.leaveWorker(asker);
    this.tellEnd(asker, full);
  }

  private toAsker(worker: RelayedWorker, key: string, frame: Buffer): void {
    const asker = worker.askers.get(key);
    // What was under way when it ended.
    if (asker === undefined || asker.outlet.put(onlyLine, frame)) return;
    this.counters.relayFull++;
    this.leaveWorker(asker);
    asker.outlet.drop(onlyLine);
    this.tellEnd(asker, full);
  }

  /** `why`: what the other end is told of it, and this one; null: it is gone, and told nothing. */
  private forget(peer: Peer, why: Failure | null): void {
    if (this.peers.get(peer.key) !== peer) return;
    this.peers.delete(peer.key);
    this.track(peer.outlet.close());
    if (peer.kind === 'asker') {
      if (why !== null) this.say(peer.id, dataMagic, encodeData({ kind: 'end', failure: why }));
      this.leaveWorker(peer);
      return;
    }
    if (why !== null) this.say(peer.id, relayMagic, encodeData({ kind: 'end', failure: why }));
    if (this.workers.get(peer.worker) === peer) this.workers.delete(peer.worker);
    this.counters.relayLost += peer.askers.size;
    for (const asker of peer.askers.values()) {
      asker.at = null;
      this.tellEnd(asker, workerLost);
    }
    this.options.onRelayed([...this.workers.keys()]);
  }

  private leaveWorker(asker: Asker): void {
    const { at, key } = asker;
    asker.at = null;
    if (at === null) return;
    at.askers.delete(key);
    at.outlet.drop(key);
    at.outlet.put(key, noFrame, true);
  }

  /** Behind what came for it before. */
  private tellEnd({ outlet }: Asker, why: Failure): void {
    outlet.put(onlyLine, encodeData({ kind: 'end', failure: why }), true);
  }

  private refuse(id: Buffer, magic: Buffer, why: Failure): void {
    this.counters.relayRefused++;
    this.say(id, magic, encodeData({ kind: 'end', failure: why }));
  }

  private outlet(
    send: (name: string, bytes: Uint8Array) => Promise<SendOutcome>,
    gone: () => void,
  ): RelayOutlet {
    return new RelayOutlet(this.options.alarms, send, gone);
  }

  /** Words that are not worth waiting for. */
  private say(id: Buffer, ...parts: readonly Uint8Array[]): void {
    this.track(this.options.send(id, ...parts));
  }

  private track(work: Promise<unknown>): void {
    const done: Promise<void> = work.then(() => undefined).finally(() => this.running.delete(done));
    this.running.add(done);
  }
}

/** Of an artifact it is good wherever that is. */
function isFor(worker: string, grant: Grant): boolean {
  return grant.op === 'fetch' || grant.worker === worker;
}

const notConnected = failure('lost.worker', 'the worker is not connected to the relay beside the broker now');
const workerLost = failure(
  'lost.worker',
  'the connection between the worker and the relay beside the broker broke',
);
const silent = failure('lost.link', 'the relay beside the broker has not heard from this end for too long');
const stopped = failure('lost.broker', 'the relay beside the broker has been stopped');
const full = failure('rejected.limit', 'more was sent through the relay than the other end takes up');
