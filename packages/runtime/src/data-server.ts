/**
 * A data endpoint (a worker's, for the logs of its attempts, commands beside them, images, artifacts and answers; the broker's, for
 * artifacts and logs that it keeps): own socket, own CURVE key, own
 * credit, so that bytes never stand in the way of control messages. CURVE lets anybody connect; what is asked there is for
 * its transfers (transfers.ts), and beside the broker for the relay.
 *
 * 1. Receiving yields after a burst of frames, so that the rest of the process has its turn (turn.ts).
 */
import { Router } from 'zeromq';
import { bindAll } from './bind-all.ts';
import type { Cancel } from './clock.ts';
import { dataMagic, maxDataFrameBytes } from './data-wire.ts';
import { deadConnectionOptions } from './dead-connections.ts';
import type { CurveKeys } from './keys.ts';
import { openSocket } from './open-socket.ts';
import { Relay } from './relay/relay.ts';
import { relayMagic } from './relay/relay-wire.ts';
import { type SendOutcome, Transfers, type TransfersOptions } from './transfers.ts';
import { Turn } from './turn.ts';

/** Frames libzmq holds for one reader: 4 MiB. */
const highWaterMark = 64;
/** From the end of some connection until libzmq knows whose it was; one look serves all that ended meanwhile. */
const goneMs = 50;
/** For the last words. */
const lingerMs = 200;

export interface DataServerOptions extends TransfersOptions {
  /** None: what it serves is had through the relay alone. */
  readonly endpoints: readonly string[];
  readonly curve: CurveKeys;
  /** Told which workers are connected to the relay here, at each change. Absent: nothing is relayed here. */
  readonly onRelayed?: (workers: readonly string[]) => void;
}

export class DataServer {
  readonly transfers: Transfers;
  readonly relay: Relay | null;
  private readonly options: DataServerOptions;
  private readonly socket: Router;
  private readonly turn = new Turn(() => undefined);
  private receiving: Promise<void> | undefined;
  private cancelGone: Cancel | undefined;

  constructor(options: DataServerOptions) {
    this.options = options;
    const { onRelayed, alarms, curve } = options;
    this.transfers = new Transfers(options);
    const send = (id: Buffer, ...parts: readonly Uint8Array[]) => this.send([id, ...parts]);
    this.relay = onRelayed === undefined ? null : new Relay({ ...options, onRelayed, send });
    this.socket = openSocket(
      () =>
        new Router({
          mandatory: true,
          sendTimeout: 0,
          sendHighWaterMark: highWaterMark,
          receiveHighWaterMark: highWaterMark,
          maxMessageSize: maxDataFrameBytes,
          ...deadConnectionOptions,
          linger: lingerMs,
          curveServer: true,
          curveSecretKey: curve.secretKey,
        }),
    );
    this.socket.events.on('disconnect', () => {
      this.cancelGone ??= alarms.after(goneMs, () => {
        this.cancelGone = undefined;
        this.transfers.findGone();
        this.relay?.findGone();
      });
    });
  }

  get counters(): Transfers['counters'] {
    return this.transfers.counters;
  }

  /** Resolves with the endpoints bound, ports filled in. */
  async start(): Promise<readonly string[]> {
    const bound = await bindAll(this.socket, this.options.endpoints);
    this.receiving = this.receive();
    this.transfers.start();
    this.relay?.start();
    return bound;
  }

  /** Commands that run here are ended, their clients told. */
  async stop(): Promise<void> {
    this.cancelGone?.();
    await this.transfers.stop();
    await this.relay?.stop();
    if (!this.socket.closed) this.socket.close();
    await this.receiving;
  }

  /** Those whose grants are void from now on, all of them: what runs on such a grant ends at once. */
  revoke(principals: readonly string[]): void {
    this.transfers.revoke(principals);
    this.relay?.revoke(principals);
  }

  private async receive(): Promise<void> {
    for await (const [id, magic, ...frames] of this.socket) {
      const [frame] = frames;
      if (id && magic?.equals(dataMagic) && frame && frames.length === 1) {
        const send = (answer: Uint8Array) => this.send([id, dataMagic, answer]);
        this.transfers.receive({ key: id.toString('latin1'), send }, frame);
      } else if (id && magic?.equals(relayMagic) && this.relay) this.relay.receive(id, frames);
      else this.counters.malformed++;
      await this.turn.took(frames.reduce((sum, { length }) => sum + length, 0));
    }
  }

  /** Once: words that are not worth waiting for are not said again. */
  private async send(parts: readonly Uint8Array[]): Promise<SendOutcome> {
    try {
      await this.socket.send([...parts]);
      return 'sent';
    } catch (error) {
      return error instanceof Error && 'code' in error && error.code === 'EAGAIN' ? 'blocked' : 'gone';
    }
  }
}
