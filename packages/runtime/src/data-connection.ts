/**
 * One connection to a data endpoint, or to a worker through the relay beside the broker, for one transfer.
 *
 * 1. Who may do what is in the grant: the connection's own key only encrypts, and is used once.
 * 2. It is over when nobody can be reached there within `reachMs`, when it breaks, when the server has been silent for `silenceMs`, or when it is closed. It is not made
 *    anew: whoever needs another transfer asks for another grant.
 */
import { type Failure, failure } from '@gryphgen/protocol';
import type { Dealer } from 'zeromq';
import type { UselessPlaces } from './artifacts/useless-places.ts';
import type { Alarms, Cancel } from './clock.ts';
import { openDataDealer } from './data-dealer.ts';
import {
  type DataAnswer,
  type DataRequest,
  dataMagic,
  decodeDataAnswer,
  encodeData,
  keepAliveMs,
  type OpenRequest,
  silenceMs,
  windowBytes,
} from './data-wire.ts';
import { type Pace, slowWords } from './pace.ts';
import { relayMagic } from './relay/relay-wire.ts';

/** For TCP and CURVE to come about: what stands behind a NAT or a firewall never answers. */
const mostReachMs = 10_000;
/** From the end of the connection until what had been received is read. */
const lastWordsMs = 100;

/** Where a worker is had, or what is beside the broker. */
export interface Place {
  readonly endpoint: string;
  /** The endpoint's CURVE public key. */
  readonly dataKey: string;
  /** The worker, by its id, that is behind the relay at this endpoint; absent: it is here. */
  readonly relayed?: string;
}

export interface DataPlace extends Place {
  readonly alarms: Alarms;
  /** Where else the same is to be had, when nobody is reached here; tried in this order. */
  readonly orElse?: readonly Place[];
  /** Who could not be reached lately is tried last. */
  readonly unreached?: UselessPlaces;
  /** Of a transfer that the server may not draw out. */
  readonly pace?: Pace;
}

export class DataConnection {
  private readonly endpoint: string;
  /** Resolves with whether somebody was reached, when that is known. */
  readonly reached: Promise<boolean>;
  private readonly relayed: string | undefined;
  private readonly alarms: Alarms;
  private readonly pace: Pace | undefined;
  private readonly socket: Dealer;
  private granted = windowBytes;
  private heard = true;
  private quietMs = 0;
  private cancelLook: Cancel;
  private readonly cancelReach: Cancel;
  private brokenWords = 'has fallen silent';
  private tellReached: (isReached: boolean) => void = () => undefined;
  private connected = false;

  constructor({ endpoint, dataKey, relayed, alarms, pace }: DataPlace, reachMs = mostReachMs) {
    this.pace = pace;
    this.relayed = relayed;
    this.endpoint = endpoint;
    this.alarms = alarms;
    this.socket = openDataDealer(dataKey);
    this.socket.events.on('disconnect', () => {
      if (this.socket.closed) return;
      this.brokenWords = 'has hung up';
      this.cancelLook();
      this.cancelLook = this.alarms.after(lastWordsMs, () => this.drop());
    });
    this.cancelLook = this.look();
    this.cancelReach = alarms.after(reachMs, () => {
      this.brokenWords = `cannot be reached in ${reachMs / 1000} s`;
      this.drop();
    });
    this.reached = new Promise((resolve) => {
      this.tellReached = resolve;
    });
    this.socket.events.on('handshake', () => {
      this.cancelReach();
      this.tellReached(true);
    });
  }

  /** Why there are no more answers, when there are none. */
  get broken(): Failure {
    return failure('lost.link', `${this.endpoint} ${this.brokenWords}`);
  }

  /** Throws when the endpoint is none, or nothing more can be sent. */
  async open(request: OpenRequest): Promise<void> {
    this.connect();
    const frame = encodeData(request);
    await this.socket.send(
      this.relayed === undefined ? [dataMagic, frame] : [relayMagic, this.relayed, frame],
    );
  }

  /** Throws when the endpoint is none. Idempotent. */
  connect(): void {
    if (this.connected) return;
    this.socket.connect(this.endpoint);
    this.connected = true;
  }

  async say(request: DataRequest): Promise<void> {
    const magic = this.relayed === undefined ? dataMagic : relayMagic;
    await this.socket.send([magic, encodeData(request)]);
  }

  /** What the server may have sent in all; repeated until there is more, as a sign of life. */
  async grant(total: number): Promise<void> {
    this.granted = total;
    await this.say({ kind: 'credit', total });
  }

  /** Until the connection is over. Bytes are the consumer's. */
  async *answers(): AsyncGenerator<Exclude<DataAnswer, { kind: 'alive' }>, void> {
    for await (const [magic, frame] of this.socket) {
      const answer = magic?.equals(dataMagic) && frame ? decodeDataAnswer(frame) : undefined;
      this.heard = true;
      if (answer !== undefined && answer.kind !== 'alive') yield answer;
    }
  }

  /** The server is told. Idempotent. */
  async close(): Promise<void> {
    this.cancelLook();
    // Full, or its end is known already.
    if (!this.socket.closed) await this.say({ kind: 'cancel' }).catch(() => undefined);
    this.drop();
  }

  /** Without a word. */
  drop(): void {
    this.cancelLook();
    this.cancelReach();
    if (!this.socket.closed) this.socket.close();
    this.tellReached(false);
  }

  private look(): Cancel {
    return this.alarms.after(keepAliveMs, () => {
      this.quietMs = this.heard ? 0 : this.quietMs + keepAliveMs;
      this.heard = false;
      if (this.pace?.isSlow) this.brokenWords = slowWords;
      if (this.pace?.isSlow || this.quietMs >= silenceMs) return this.drop();
      this.cancelLook = this.look();
      // Full or closing: the next look judges.
      this.say({ kind: 'credit', total: this.granted }).catch(() => undefined);
    });
  }
}
