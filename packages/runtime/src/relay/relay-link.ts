/**
 * A worker's connection to the relay beside the broker (E35): by it come the transfers of those who cannot connect to the
 * worker. They are served as those of its own data endpoint are.
 *
 * 1. There is one at a time, on a grant of its own; when it ends, its transfers end, and another is made after a while.
 * 2. It is over when it breaks, when the relay refuses it or ends it, or when that has been silent for `silenceMs`.
 * 3. What the relay cannot take now waits in its transfer: here `highWaterMark` frames wait at most.
 */
import { type Failure, failure, type KeepGrantDocument } from '@gryphgen/protocol';
import type { Dealer } from 'zeromq';
import { Backoff } from '../backoff.ts';
import type { Alarms, Cancel } from '../clock.ts';
import { openDataDealer } from '../data-dealer.ts';
import { decodeDataAnswer, keepAliveMs, silenceMs } from '../data-wire.ts';
import type { Log } from '../log.ts';
import { pause } from '../pause.ts';
import { placesBeside } from '../places-beside.ts';
import type { Random } from '../random.ts';
import type { SendOutcome, Transfers } from '../transfers.ts';
import { Turn } from '../turn.ts';
import { encodeJoin, relayMagic } from './relay-wire.ts';

const highWaterMark = 64;
/** For TCP and CURVE to come about, and the relay to answer. */
const joinMs = 10_000;
/** From the end of the connection until what had been received is read. */
const lastWordsMs = 100;
const again = { baseMs: 500, ceilingMs: 30_000 };
/** An older broker: it is asked again in the life of a newer one. */
const refusedMs = 600_000;

export interface RelayLinkOptions {
  /** A new grant and where the relay is, or why there is none. */
  readonly ask: (signal: AbortSignal) => Promise<KeepGrantDocument | Failure>;
  /** By which this process talks to its broker now. */
  readonly brokerEndpoint: () => string;
  readonly transfers: Pick<Transfers, 'receive' | 'leave'>;
  readonly alarms: Alarms;
  readonly random: Random;
  readonly log: Log;
}

export class RelayLink {
  private readonly options: RelayLinkOptions;
  private readonly over = new AbortController();
  private readonly backoff: Backoff;
  private running: Promise<void> = Promise.resolve();
  /** How many connections there were: routes of one are not those of the next. */
  private made = 0;

  constructor(options: RelayLinkOptions) {
    this.options = options;
    this.backoff = new Backoff(options.random, again);
  }

  start(): void {
    this.running = this.keep();
  }

  /** Idempotent. */
  async stop(): Promise<void> {
    this.over.abort();
    await this.running;
  }

  private async keep(): Promise<void> {
    const { ask, alarms, log } = this.options;
    const { signal } = this.over;
    while (!signal.aborted) {
      const granted = await ask(signal);
      // What is aborted already tells nobody any more: a connection made now would never be closed.
      if (signal.aborted) return;
      const why = 'code' in granted ? granted : await this.serve(granted);
      if (signal.aborted) return;
      log.info({ why: why.message }, 'not connected to the relay beside the broker');
      await pause(alarms, why.code.startsWith('rejected.') ? refusedMs : this.backoff.nextMs(), signal);
    }
  }

  /** Resolves with why it is over. */
  private async serve({ grant, broker }: KeepGrantDocument): Promise<Failure> {
    const { brokerEndpoint, alarms, transfers, log } = this.options;
    const [place] = placesBeside(broker, brokerEndpoint());
    if (place === undefined) return failure('lost.link', 'the relay beside the broker has no address here');
    this.made += 1;
    const prefix = `relay ${this.made} `;
    const onJoined = (): void => {
      this.backoff.reset();
      log.info({ endpoint: place.endpoint }, 'connected to the relay beside the broker');
    };
    const connection = new RelayConnection({ ...place, prefix, alarms, transfers, onJoined });
    const { signal } = this.over;
    const leave = (): void => connection.close(failure('cancelled.user', 'this worker is being stopped'));
    signal.addEventListener('abort', leave, { once: true });
    try {
      return await connection.run(grant);
    } finally {
      signal.removeEventListener('abort', leave);
      transfers.leave((key) => key.startsWith(prefix));
    }
  }
}

interface RelayConnectionOptions extends Pick<RelayLinkOptions, 'alarms' | 'transfers'> {
  readonly endpoint: string;
  readonly dataKey: string;
  /** Of its routes' keys. */
  readonly prefix: string;
  readonly onJoined: () => void;
}

class RelayConnection {
  private readonly options: RelayConnectionOptions;
  private readonly socket: Dealer;
  private readonly turn = new Turn(() => undefined);
  private why: Failure | undefined;
  private joined = false;
  private heard = true;
  private quietMs = 0;
  private cancelLook: Cancel = () => undefined;
  private readonly cancelJoin: Cancel;

  constructor(options: RelayConnectionOptions) {
    this.options = options;
    const { alarms, dataKey } = options;
    this.socket = openDataDealer(dataKey, highWaterMark);
    this.socket.events.on('disconnect', () => {
      this.cancelLook();
      this.cancelLook = alarms.after(lastWordsMs, () => this.close(this.lost('has hung up')));
    });
    this.cancelJoin = alarms.after(joinMs, () =>
      this.close(this.lost(`cannot be reached in ${joinMs / 1000} s`)),
    );
  }

  /** Until it is over; resolves with why. */
  async run(grant: string): Promise<Failure> {
    try {
      this.socket.connect(this.options.endpoint);
      await this.socket.send([relayMagic, encodeJoin(grant)]);
      this.look();
      for await (const [magic, first, frame, ...more] of this.socket) {
        this.heard = true;
        if (magic?.equals(relayMagic) && first && more.length === 0) this.take(first, frame);
        await this.turn.took(frame?.length ?? 0);
      }
    } catch (error) {
      this.close(this.lost(`cannot be used: ${error instanceof Error ? error.message : String(error)}`));
    }
    return this.why ?? this.lost('was closed');
  }

  /** Idempotent. */
  close(why: Failure): void {
    this.why ??= why;
    this.cancelLook();
    this.cancelJoin();
    if (!this.socket.closed) this.socket.close();
  }

  private take(first: Buffer, frame: Buffer | undefined): void {
    const { transfers, prefix, onJoined } = this.options;
    if (frame === undefined) {
      const word = decodeDataAnswer(first);
      if (word?.kind === 'end') this.close(word.failure ?? this.lost('has ended it'));
      else if (word?.kind === 'alive' && !this.joined) {
        this.joined = true;
        this.cancelJoin();
        onJoined();
      }
      return;
    }
    const key = prefix + first.toString('latin1');
    if (frame.length === 0) transfers.leave((each) => each === key);
    else transfers.receive({ key, send: (answer) => this.send(relayMagic, first, answer) }, frame);
  }

  private async send(...parts: readonly Uint8Array[]): Promise<SendOutcome> {
    try {
      await this.socket.send([...parts]);
      return 'sent';
    } catch (error) {
      return error instanceof Error && 'code' in error && error.code === 'EAGAIN' ? 'blocked' : 'gone';
    }
  }

  private look(): void {
    this.cancelLook = this.options.alarms.after(keepAliveMs, () => {
      this.quietMs = this.heard ? 0 : this.quietMs + keepAliveMs;
      this.heard = false;
      if (this.quietMs >= silenceMs) return this.close(this.lost('has fallen silent'));
      this.look();
      // Full: what fills it is a sign of life as well.
      void this.send(relayMagic);
    });
  }

  private lost(words: string): Failure {
    return failure('lost.link', `the relay at ${this.options.endpoint} ${words}`);
  }
}
