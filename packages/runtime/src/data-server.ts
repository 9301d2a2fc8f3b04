/**
 * A data endpoint (a worker's, for the logs of its attempts): own socket, own CURVE key, own credit, so that bytes never
 * stand in the way of control messages. CURVE lets anybody connect; a grant signed by the broker lets them read.
 *
 * 1. Each connection carries one transfer; there are at most `maxStreams`.
 * 2. Each connection may ask `maxAsked` times: a look at a grant costs a signature's check. Receiving yields after a burst
 *    of frames, so that the rest of the process has its turn (turn.ts).
 * 3. A reader that is slow holds up its own transfer only; one that is silent for `silenceMs` is given up.
 */
import { type AttemptNo, type Failure, failure, type TaskId } from '@gryphgen/protocol';
import { Router } from 'zeromq';
import { bindAll } from './bind-all.ts';
import type { Alarms, Cancel, Clock } from './clock.ts';
import { type DataSource, DataStream } from './data-stream.ts';
import {
  type DataAnswer,
  type DataRequest,
  dataMagic,
  decodeDataRequest,
  encodeData,
  keepAliveMs,
  type LogsRequest,
  maxDataFrameBytes,
  silenceMs,
} from './data-wire.ts';
import { deadConnectionOptions } from './dead-connections.ts';
import { readGrant } from './grant.ts';
import type { CurveKeys } from './keys.ts';
import { Turn } from './turn.ts';

const maxStreams = 256;
/** Our own reader asks once. */
const maxAsked = 8;
/** Connections whose questions are counted, at most: nothing tells that one is gone. */
const maxCounted = 4096;
/** Frames libzmq holds for one reader: 4 MiB. */
const highWaterMark = 64;
const blockedRetryMs = 5;
/** For the last words. */
const lingerMs = 200;

export interface DataServerOptions {
  readonly endpoints: readonly string[];
  readonly curve: CurveKeys;
  readonly grid: string;
  /** Whose grants count: the broker's Ed25519 key. */
  readonly brokerKey: string;
  /** The broker's wall clock, ms: what its grants expire by. */
  readonly brokerWall: () => number;
  readonly clock: Clock;
  readonly alarms: Alarms;
  /** The bytes of an attempt's log, or why there are none. Ends early when the signal is aborted. */
  readonly open: (log: LogRange, signal: AbortSignal) => DataSource | Promise<DataSource>;
}

export interface LogRange {
  readonly task: TaskId;
  readonly attempt: AttemptNo;
  readonly from: number;
  readonly follow: boolean;
}

export class DataServer {
  readonly counters = { streams: 0, refused: 0, malformed: 0, silent: 0 };
  private readonly options: DataServerOptions;
  private readonly socket: Router;
  private readonly streams = new Map<string, DataStream>();
  /** By connection, the one that first asked longest ago first. */
  private readonly asked = new Map<string, number>();
  private readonly turn = new Turn(() => undefined);
  private readonly running = new Set<Promise<void>>();
  private receiving: Promise<void> | undefined;
  private cancelLook: Cancel = () => undefined;

  constructor(options: DataServerOptions) {
    this.options = options;
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
  }

  /** Resolves with the endpoints bound, ports filled in. */
  async start(): Promise<readonly string[]> {
    const bound = await bindAll(this.socket, this.options.endpoints);
    this.receiving = this.receive();
    this.look();
    return bound;
  }

  async stop(): Promise<void> {
    this.cancelLook();
    for (const stream of this.streams.values()) stream.abort.abort();
    await Promise.all(this.running);
    if (!this.socket.closed) this.socket.close();
    await this.receiving;
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
    const stream = this.streams.get(peer);
    if (stream) stream.heardAt = this.options.clock.mono();
    if (request.kind === 'logs') this.onLogs(peer, id, request);
    else if (request.kind === 'cancel') stream?.abort.abort();
    else if (stream) {
      stream.grant(request.total);
      this.track(this.trySend(id, encodeData({ kind: 'alive' })));
    }
  }

  private onLogs(peer: string, id: Buffer, request: LogsRequest): void {
    const refusal = this.judge(peer, request);
    if (refusal) {
      this.counters.refused++;
      this.track(this.trySend(id, encodeData({ kind: 'end', failure: refusal })));
      return;
    }
    this.counters.streams++;
    const { from, follow, credit } = request;
    const range = { task: request.task as TaskId, attempt: request.attempt as AttemptNo, from, follow };
    const stream = new DataStream((answer) => this.send(id, answer), credit, this.options.clock.mono());
    this.streams.set(peer, stream);
    const source = Promise.resolve().then(() => this.options.open(range, stream.abort.signal));
    this.track(stream.run(from, source).finally(() => this.streams.delete(peer)));
  }

  private judge(peer: string, { grant: token, task, attempt }: LogsRequest): Failure | undefined {
    if (!this.mayAsk(peer)) {
      const words = `this connection has asked ${maxAsked} times, no more are answered: open another`;
      return failure('rejected.limit', words);
    }
    const { grid, brokerKey, brokerWall } = this.options;
    const grant = readGrant(token, brokerKey);
    if (grant?.grid !== grid || grant.task !== task || grant.attempt !== attempt) {
      return failure('rejected.forbidden', 'this grant is not good for that log');
    }
    const pastMs = brokerWall() - grant.expiresAt;
    if (pastMs > 0) {
      const words = `this grant was good until ${Math.ceil(pastMs / 1000)} s ago, by the broker's clock: ask for a new one`;
      return failure('rejected.forbidden', words);
    }
    if (this.streams.has(peer)) return failure('rejected.state', 'a connection carries one transfer');
    if (this.streams.size >= maxStreams)
      return failure('rejected.limit', `${maxStreams} transfers are under way`);
    return undefined;
  }

  private mayAsk(peer: string): boolean {
    const asked = this.asked.get(peer) ?? 0;
    if (asked >= maxAsked) return false;
    this.asked.set(peer, asked + 1);
    const [oldest] = this.asked.size > maxCounted ? this.asked.keys() : [];
    if (oldest !== undefined) this.asked.delete(oldest);
    return true;
  }

  /** A chunk or the end: waits until the reader takes it. False when it is gone. */
  private async send(id: Buffer, answer: DataAnswer): Promise<boolean> {
    const frame = encodeData(answer);
    for (;;) {
      const outcome = await this.trySend(id, frame);
      if (outcome !== 'blocked') return outcome === 'sent';
      const stream = this.streams.get(id.toString('latin1'));
      if (!stream || stream.abort.signal.aborted) return false;
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
      for (const stream of this.streams.values()) {
        if (clock.mono() - stream.heardAt <= silenceMs) continue;
        this.counters.silent++;
        stream.abort.abort();
      }
      this.look();
    });
  }

  private track(work: Promise<unknown>): void {
    const done: Promise<void> = work.then(() => undefined).finally(() => this.running.delete(done));
    this.running.add(done);
  }
}
