/**
 * A data endpoint (a worker's, for the logs of its attempts, commands beside them, images, artifacts and answers; the broker's, for
 * artifacts and logs that it keeps): own socket, own CURVE key, own
 * credit, so that bytes never stand in the way of control messages. CURVE lets anybody connect; a grant signed by the
 * broker lets them do one thing.
 *
 * 1. Each connection carries one transfer; there are at most `maxStreams`.
 * 2. Receiving yields after a burst of frames, so that the rest of the process has its turn (turn.ts).
 * 3. A reader that is slow holds up its own transfer only; one that is silent for `silenceMs`, or whose connection is
 *    gone, is given up. Whoever sends more than it was granted is given up at once.
 */
import { type Failure, failure } from '@gryphgen/protocol';
import { Router } from 'zeromq';
import { bindAll } from './bind-all.ts';
import type { Alarms, Cancel, Clock } from './clock.ts';
import { DataStream } from './data-stream.ts';
import {
  type DataAnswer,
  type DataRequest,
  dataMagic,
  decodeDataRequest,
  encodeData,
  isPaced,
  isRead,
  keepAliveMs,
  maxDataFrameBytes,
  type OpenRequest,
  silenceMs,
  takesInput,
} from './data-wire.ts';
import { deadConnectionOptions } from './dead-connections.ts';
import { DuplexStream } from './duplex-stream.ts';
import type { Grant } from './grant.ts';
import { GrantCheck, type GrantCheckOptions, revokedFailure } from './grant-check.ts';
import type { CurveKeys } from './keys.ts';
import { Pace, slowWords } from './pace.ts';
import { type Served, serveTransfer } from './serve-transfer.ts';
import { Turn } from './turn.ts';

const maxStreams = 256;
/** Frames libzmq holds for one reader: 4 MiB. */
const highWaterMark = 64;
const blockedRetryMs = 5;
/** From the end of some connection until libzmq knows whose it was; one look serves all that ended meanwhile. */
const goneMs = 50;
/** For the last words. */
const lingerMs = 200;

export interface DataServerOptions extends GrantCheckOptions, Served {
  readonly endpoints: readonly string[];
  readonly curve: CurveKeys;
  readonly clock: Clock;
  readonly alarms: Alarms;
}

interface Transfer {
  readonly id: Buffer;
  readonly grant: Grant;
  readonly stream: DataStream;
  readonly duplex: DuplexStream | null;
}

export class DataServer {
  readonly counters = {
    streams: 0,
    refused: 0,
    malformed: 0,
    silent: 0,
    gone: 0,
    late: 0,
    overrun: 0,
    slow: 0,
  };
  private readonly options: DataServerOptions;
  private readonly socket: Router;
  private readonly transfers = new Map<string, Transfer>();
  private readonly check: GrantCheck;
  private readonly turn = new Turn(() => undefined);
  private readonly running = new Set<Promise<void>>();
  private receiving: Promise<void> | undefined;
  private cancelLook: Cancel = () => undefined;
  private cancelGone: Cancel | undefined;

  constructor(options: DataServerOptions) {
    this.options = options;
    this.check = new GrantCheck(options);
    this.socket = new Router({
      mandatory: true,
      sendTimeout: 0,
      sendHighWaterMark: highWaterMark,
      receiveHighWaterMark: highWaterMark,
      maxMessageSize: maxDataFrameBytes,
      ...deadConnectionOptions,
      linger: lingerMs,
      curveServer: true,
      curveSecretKey: options.curve.secretKey,
    });
    this.socket.events.on('disconnect', () => {
      this.cancelGone ??= options.alarms.after(goneMs, () => this.findGone());
    });
  }

  /** Resolves with the endpoints bound, ports filled in. */
  async start(): Promise<readonly string[]> {
    const bound = await bindAll(this.socket, this.options.endpoints);
    this.receiving = this.receive();
    this.look();
    return bound;
  }

  /** Commands that run here are ended, their clients told. */
  async stop(): Promise<void> {
    this.cancelLook();
    this.cancelGone?.();
    const why = failure('lost.worker', 'its worker has been stopped');
    for (const transfer of this.transfers.values()) this.giveUp(transfer, why);
    await Promise.all(this.running);
    if (!this.socket.closed) this.socket.close();
    await this.receiving;
  }

  /** Those whose grants are void from now on, all of them: what runs on such a grant ends at once. */
  revoke(principals: readonly string[]): void {
    this.check.revoke(principals);
    for (const transfer of this.transfers.values())
      if (this.check.isVoid(transfer.grant)) this.giveUp(transfer, revokedFailure);
  }

  private async receive(): Promise<void> {
    for await (const [id, magic, frame, ...more] of this.socket) {
      const ours = id && magic && frame && more.length === 0 && magic.equals(dataMagic);
      const request = ours ? decodeDataRequest(frame) : undefined;
      if (!id || request === undefined) this.counters.malformed++;
      else this.onRequest(id, request);
      await this.turn.took(frame?.length ?? 0);
    }
  }

  private onRequest(id: Buffer, request: DataRequest): void {
    const peer = id.toString('latin1');
    if ('grant' in request) {
      this.onOpen(peer, id, request);
      return;
    }
    const transfer = this.transfers.get(peer);
    if (transfer === undefined || transfer.stream.abort.signal.aborted) {
      // What was under way when it ended.
      this.counters.late++;
      return;
    }
    const { stream, duplex } = transfer;
    stream.heardAt = this.options.clock.mono();
    switch (request.kind) {
      case 'cancel':
        stream.abort.abort();
        return;
      case 'credit':
        stream.grant(request.total);
        this.track(this.trySend(id, encodeData({ kind: 'alive' })));
        return;
      case 'input':
        if (duplex?.input(request.bytes)) return;
        this.counters.overrun++;
        this.giveUp(transfer, failure('rejected.limit', 'more input was sent than was granted'));
        return;
      case 'inputEnd':
        duplex?.endInput();
        return;
      case 'resize':
        duplex?.resize(request.size);
        return;
      default:
        request satisfies never;
    }
  }

  private onOpen(peer: string, id: Buffer, request: OpenRequest): void {
    const grant = this.judge(peer, request);
    if ('code' in grant) {
      this.counters.refused++;
      this.track(this.trySend(id, encodeData({ kind: 'end', failure: grant })));
      return;
    }
    this.counters.streams++;
    const from = request.kind === 'logs' ? request.from : 0;
    const { clock } = this.options;
    const pace = isPaced(request) ? new Pace(clock) : null;
    const stream = new DataStream(
      (answer) => this.send(id, answer),
      from,
      request.credit,
      clock.mono(),
      pace,
    );
    const duplex = isRead(request) ? null : new DuplexStream(stream, takesInput(request));
    this.transfers.set(peer, { id, grant, stream, duplex });
    const work = () => serveTransfer(this.options, request, grant, stream, duplex);
    this.track(stream.run(work).finally(() => this.transfers.delete(peer)));
  }

  private judge(peer: string, request: OpenRequest): Grant | Failure {
    const grant = this.check.judge(peer, request);
    if ('code' in grant) return grant;
    if (this.transfers.has(peer)) return failure('rejected.state', 'a connection carries one transfer');
    if (this.transfers.size >= maxStreams)
      return failure('rejected.limit', `${maxStreams} transfers are under way`);
    return (isRead(request) ? undefined : this.check.use(grant)) ?? grant;
  }

  /** Told at once, once: nothing is waited for any more. */
  private giveUp({ id, stream }: Transfer, why: Failure): void {
    if (stream.abort.signal.aborted) return;
    this.track(this.trySend(id, encodeData({ kind: 'end', failure: why })));
    stream.abort.abort();
  }

  /** A chunk or the end: waits until the reader takes it. False when it is gone. */
  private async send(id: Buffer, answer: DataAnswer): Promise<boolean> {
    const frame = encodeData(answer);
    for (;;) {
      const outcome = await this.trySend(id, frame);
      if (outcome !== 'blocked') return outcome === 'sent';
      const transfer = this.transfers.get(id.toString('latin1'));
      if (!transfer || transfer.stream.abort.signal.aborted) return false;
      await new Promise<void>((resolve) => void this.options.alarms.after(blockedRetryMs, resolve));
    }
  }

  /** Once: words that are not worth waiting for. */
  private async trySend(id: Buffer, frame: Uint8Array): Promise<'sent' | 'blocked' | 'gone'> {
    try {
      await this.socket.send([id, dataMagic, frame]);
      return 'sent';
    } catch (error) {
      return error instanceof Error && 'code' in error && error.code === 'EAGAIN' ? 'blocked' : 'gone';
    }
  }

  private look(): void {
    const { alarms, clock } = this.options;
    this.cancelLook = alarms.after(keepAliveMs, () => {
      for (const transfer of this.transfers.values()) {
        const { stream } = transfer;
        if (stream.pace?.isSlow) {
          this.counters.slow++;
          this.giveUp(transfer, failure('rejected.limit', slowWords));
        }
        if (clock.mono() - stream.heardAt <= silenceMs) continue;
        this.counters.silent++;
        stream.abort.abort();
      }
      this.look();
    });
  }

  /** A connection has ended: which one shows when it is spoken to. */
  private findGone(): void {
    this.cancelGone = undefined;
    const alive = encodeData({ kind: 'alive' });
    for (const { id, stream } of this.transfers.values()) {
      const found = this.trySend(id, alive).then((outcome) => {
        if (outcome !== 'gone' || stream.abort.signal.aborted) return;
        this.counters.gone++;
        stream.abort.abort();
      });
      this.track(found);
    }
  }

  private track(work: Promise<unknown>): void {
    const done: Promise<void> = work.then(() => undefined).finally(() => this.running.delete(done));
    this.running.add(done);
  }
}
