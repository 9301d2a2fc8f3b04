/**
 * One connection to one broker: a DEALER with CURVE. Frames in, logical messages out, coalesced per turn of the event
 * loop as on the other side (broker-socket.ts).
 *
 * 1. After `close` nothing is delivered any more, also not what had been received before.
 * 2. `sendTimeout: 0` and a real high-water mark: a broker that does not read leaves frames here, bounded.
 */
import { GridError, limits, type Message, wireMagic } from '@gryphgen/protocol';
import { Dealer } from 'zeromq';
import type { Alarms, Cancel } from './clock.ts';
import { deadConnectionOptions } from './dead-connections.ts';
import type { CurveKeys } from './keys.ts';
import { openSocket } from './open-socket.ts';
import { Outbox, type PushOutcome } from './outbox.ts';
import { Turn } from './turn.ts';

export interface BrokerAddress {
  readonly endpoint: string;
  /** The broker's CURVE public key, Z85: nobody else can answer. */
  readonly curveKey: string;
}

const highWaterMark = 64;
const blockedRetryMs = 5;
/** For a goodbye. */
const lingerMs = 200;
/** libzmq's own tries on one socket; the link moves on to another broker sooner than this grows. */
const reconnectMs = 50;
const reconnectCeilingMs = 2000;
const magicPart = Buffer.from(wireMagic);

export interface DealerEvents {
  onFrame(frame: Buffer): void;
  /** The broker's door refuses this CURVE key. libzmq does not try again on this socket. */
  onTurnedAway(): void;
  /** What listens there ended the connection before it proved the key. libzmq tries again. */
  onHungUp(): void;
  /** The socket cannot go on; it is closed. */
  onBroken(error: unknown): void;
}

/** A connection to one broker, as a link uses it. */
export interface BrokerConnection {
  send(session: string, message: Message): PushOutcome;
  /** Drops what has not left. */
  drop(): void;
  close(): Promise<void>;
}

/** Where there is no socket to be had it is told as one that broke: there may be one later. Throws when the endpoint is none. */
export function dialBroker(
  broker: BrokerAddress,
  curve: CurveKeys,
  alarms: Alarms,
  events: DealerEvents,
): BrokerConnection {
  try {
    return new BrokerDealer(broker, curve, alarms, events);
  } catch (error) {
    if (!(error instanceof GridError)) throw error;
    const cancel = alarms.after(0, () => events.onBroken(error.failure.message));
    return { send: () => 'full', drop: () => undefined, close: async () => cancel() };
  }
}

function optionsFor({ curveKey }: BrokerAddress, curve: CurveKeys): ConstructorParameters<typeof Dealer>[0] {
  return {
    sendTimeout: 0,
    sendHighWaterMark: highWaterMark,
    receiveHighWaterMark: highWaterMark,
    maxMessageSize: limits.frameBytes,
    linger: lingerMs,
    ...deadConnectionOptions,
    reconnectInterval: reconnectMs,
    reconnectMaxInterval: reconnectCeilingMs,
    curvePublicKey: curve.publicKey,
    curveSecretKey: curve.secretKey,
    curveServerKey: curveKey,
  };
}

class BrokerDealer implements BrokerConnection {
  private readonly socket: Dealer;
  private readonly events: DealerEvents;
  private readonly alarms: Alarms;
  private readonly outbox = new Outbox();
  private readonly turn = new Turn(() => this.flush());
  private sending: Promise<void> | undefined;
  private cancelRetry: Cancel | undefined;
  private closing = false;
  private readonly receiving: Promise<void>;

  /** Throws when the endpoint is not one. */
  constructor(broker: BrokerAddress, curve: CurveKeys, alarms: Alarms, events: DealerEvents) {
    this.events = events;
    this.alarms = alarms;
    this.socket = openSocket(() => new Dealer(optionsFor(broker, curve)));
    this.socket.events.on('handshake:error:auth', () => {
      if (!this.closing) this.events.onTurnedAway();
    });
    // Who does not have the key cannot read what it is sent, and can say nothing but this.
    this.socket.events.on('handshake:error:other', () => {
      if (!this.closing) this.events.onHungUp();
    });
    this.socket.connect(broker.endpoint);
    this.receiving = this.receive();
  }

  send(session: string, message: Message): PushOutcome {
    if (this.closing) return 'full';
    const outcome = this.outbox.push(session, message);
    if (outcome === 'queued') void this.turn.end();
    return outcome;
  }

  drop(): void {
    this.outbox.clear();
  }

  /** What has been sent still leaves, if the broker takes it within `lingerMs`. Safe to call twice. */
  async close(): Promise<void> {
    if (!this.closing) {
      this.closing = true;
      this.cancelRetry?.();
      await this.turn.end();
      await this.sending;
      if (!this.socket.closed) this.socket.close();
    }
    await this.receiving;
  }

  private async receive(): Promise<void> {
    try {
      for await (const [magic, frame, ...more] of this.socket) {
        if (this.closing) return;
        if (magic && frame && more.length === 0 && magic.equals(magicPart)) this.events.onFrame(frame);
        await this.turn.took(frame?.length ?? 0);
      }
    } catch (error) {
      this.broken(error);
    }
  }

  private flush(): void {
    this.sending ??= this.sendAll().finally(() => {
      this.sending = undefined;
    });
  }

  private async sendAll(): Promise<void> {
    try {
      for (let frame = this.outbox.peek(); frame; frame = this.outbox.peek()) {
        await this.socket.send([magicPart, frame]);
        this.outbox.sent();
      }
    } catch (error) {
      if (!(error instanceof Error && 'code' in error && error.code === 'EAGAIN')) this.broken(error);
      else if (!this.closing) this.retryLater();
    }
  }

  private retryLater(): void {
    this.cancelRetry ??= this.alarms.after(blockedRetryMs, () => {
      this.cancelRetry = undefined;
      void this.turn.end();
    });
  }

  private broken(error: unknown): void {
    if (this.closing) return;
    this.closing = true;
    this.cancelRetry?.();
    if (!this.socket.closed) this.socket.close();
    this.events.onBroken(error);
  }
}
