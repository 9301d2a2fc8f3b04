/**
 * The broker's ROUTER: frames in, logical messages out, for every peer on every endpoint.
 *
 * 1. Everything queued for a peer in one turn of the event loop leaves in as few frames as the limits allow: the cost
 *    of a frame is per call, not per byte. The turn ends with one setImmediate; no timer is involved.
 * 2. A peer that does not read never holds up another. `sendTimeout: 0` makes each send succeed or fail at once and
 *    `mandatory` makes it say so (a default ROUTER drops silently). A real high-water mark bounds what libzmq holds
 *    for a peer, EAGAIN keeps the frame here, and the outbox is bounded too: its overflow is the peer's end. (With no
 *    mark at all libzmq would take frames for a stopped peer until memory is gone, and tell nobody.)
 * 3. Receiving yields to timers and I/O after a burst of frames: heartbeats survive saturation.
 * 4. Only admitted CURVE keys get as far as a frame.
 * 5. What nobody waits for travels with what is sent to the same peer next, within `companyMs` in any case.
 */
import { limits, type Message, wireMagic } from '@gryphgen/protocol';
import type { Router } from 'zeromq';
import { bindAll } from './bind-all.ts';
import type { Alarms, Cancel } from './clock.ts';
import { openGuardedRouter } from './guarded-router.ts';
import type { CurveKeys } from './keys.ts';
import { Outbox, type PushOutcome } from './outbox.ts';
import { Turn } from './turn.ts';
import type { ZapHandler } from './zap.ts';

/** A connection, named by ROUTER. Lives as long as the connection; says nothing about who it is. */
export type PeerKey = string & { readonly brand: 'PeerKey' };

/** Frames libzmq may hold for one peer: at 1 MiB a frame, 64 MiB at the very most. */
const highWaterMark = 64;
/** Until frames are tried again on a peer that was full; nothing tells when it reads again. */
const blockedRetryMs = 5;
/** Next to a heartbeat, which would have the result repeated, it is nothing. */
const companyMs = 10;

export interface BrokerSocketOptions {
  /** tcp://HOST:PORT (`*` picks a port) or ipc:///PATH. */
  readonly endpoints: readonly string[];
  readonly curve: CurveKeys;
  /** `address`: what the connection comes from, '' where that is not told. */
  readonly admits: (curveKey: string, address: string) => boolean;
  readonly alarms: Alarms;
}

export interface BrokerSocketEvents {
  /** `frame` is the batch part; it is valid during the call only. */
  onFrame(peer: PeerKey, frame: Buffer): void;
  /** It did not read: what was queued is dropped and its session must end. */
  onOverflow(peer: PeerKey): void;
  /** The connection is gone. */
  onGone(peer: PeerKey): void;
  /** The socket failed in a way that is not a peer's doing; the broker cannot go on. */
  onBroken(error: unknown): void;
}

export class BrokerSocket {
  readonly counters = { frames: 0, foreign: 0, sent: 0, blocked: 0, gone: 0, overflows: 0 };
  readonly door: ZapHandler;
  private readonly socket: Router;
  private readonly options: BrokerSocketOptions;
  private readonly events: BrokerSocketEvents;
  private readonly outboxes = new Map<PeerKey, Outbox>();
  private readonly sending = new Map<PeerKey, Promise<void>>();
  private readonly blocked = new Set<PeerKey>();
  /** Peers for whom nothing is there that somebody waits for (5). */
  private readonly patient = new Set<PeerKey>();
  private cancelPatience: Cancel | undefined;
  private cancelRetry: Cancel | undefined;
  private readonly turn = new Turn(() => this.flush());
  private receiving: Promise<void> | undefined;

  constructor(options: BrokerSocketOptions, events: BrokerSocketEvents) {
    this.options = options;
    this.events = events;
    const { door, socket } = openGuardedRouter({
      admits: options.admits,
      curveSecretKey: options.curve.secretKey,
      highWaterMark,
      maxMessageBytes: limits.frameBytes,
      domain: 'control',
    });
    this.door = door;
    this.socket = socket;
  }

  /** Resolves with the endpoints bound, ports filled in. Throws what binding throws. */
  async start(): Promise<readonly string[]> {
    await this.door.start();
    const bound = await bindAll(this.socket, this.options.endpoints);
    this.receiving = this.receive();
    return bound;
  }

  /** What is queued still leaves, if the peers take it before the router's linger is over. */
  async stop(): Promise<void> {
    this.endPatience();
    await this.turn.end();
    await Promise.all(this.sending.values());
    this.cancelRetry?.();
    this.cancelRetry = undefined;
    if (!this.socket.closed) this.socket.close();
    await this.receiving;
    await this.door.stop();
    this.outboxes.clear();
  }

  /** `full`: onOverflow has been called. `mayWait`: for company (5). */
  queue(peer: PeerKey, session: string, message: Message, mayWait = false): PushOutcome {
    let outbox = this.outboxes.get(peer);
    if (!outbox) {
      outbox = new Outbox();
      this.outboxes.set(peer, outbox);
    }
    const wasEmpty = outbox.isEmpty;
    const outcome = outbox.push(session, message);
    if (outcome === 'queued') {
      if (!mayWait) this.patient.delete(peer);
      else if (wasEmpty) this.waitForCompany(peer);
      if (!this.patient.has(peer)) void this.turn.end();
    }
    if (outcome === 'full') {
      this.counters.overflows++;
      this.forget(peer);
      this.events.onOverflow(peer);
    }
    return outcome;
  }

  /** Drops what is queued for the peer. */
  forget(peer: PeerKey): void {
    this.outboxes.delete(peer);
    this.blocked.delete(peer);
    this.patient.delete(peer);
  }

  private waitForCompany(peer: PeerKey): void {
    this.patient.add(peer);
    this.cancelPatience ??= this.options.alarms.after(companyMs, () => {
      this.endPatience();
      void this.turn.end();
    });
  }

  private endPatience(): void {
    this.cancelPatience?.();
    this.cancelPatience = undefined;
    this.patient.clear();
  }

  private async receive(): Promise<void> {
    try {
      for await (const [id, magic, frame, ...more] of this.socket) {
        if (id && magic && frame && more.length === 0 && magic.equals(magicPart)) {
          this.counters.frames++;
          const peer = id.toString('latin1') as PeerKey;
          // It reads, perhaps: the turn's end tries it again.
          this.blocked.delete(peer);
          this.events.onFrame(peer, frame);
        } else this.counters.foreign++;
        await this.turn.took(frame?.length ?? 0);
      }
    } catch (error) {
      this.events.onBroken(error);
    }
  }

  private flush(): void {
    for (const peer of this.outboxes.keys()) {
      if (this.blocked.has(peer) || this.sending.has(peer) || this.patient.has(peer)) continue;
      this.sending.set(
        peer,
        this.send(peer).finally(() => this.sending.delete(peer)),
      );
    }
  }

  private async send(peer: PeerKey): Promise<void> {
    const id = Buffer.from(peer, 'latin1');
    try {
      for (let outbox = this.outboxes.get(peer); outbox; outbox = this.outboxes.get(peer)) {
        const frame = outbox.peek();
        if (!frame) {
          this.outboxes.delete(peer);
          return;
        }
        await this.socket.send([id, magicPart, frame]);
        outbox.sent();
        this.counters.sent++;
      }
    } catch (error) {
      this.onSendError(peer, error);
    }
  }

  private onSendError(peer: PeerKey, error: unknown): void {
    if (this.socket.closed) return;
    switch (codeOf(error)) {
      case 'EAGAIN':
        this.counters.blocked++;
        this.blocked.add(peer);
        this.cancelRetry ??= this.options.alarms.after(blockedRetryMs, () => {
          this.cancelRetry = undefined;
          this.blocked.clear();
          void this.turn.end();
        });
        return;
      case 'EHOSTUNREACH':
        this.counters.gone++;
        this.forget(peer);
        this.events.onGone(peer);
        return;
      default:
        this.events.onBroken(error);
    }
  }
}

const magicPart = Buffer.from(wireMagic);

function codeOf(error: unknown): string {
  return error instanceof Error && 'code' in error ? String(error.code) : '';
}
