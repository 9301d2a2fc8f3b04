/**
 * The transfers of a data endpoint, whatever brings their frames: a connection of their own (data-server.ts), or the relay
 * beside the broker (relay/relay-link.ts). A grant signed by the broker lets whoever has it do one thing.
 *
 * 1. Each route carries one transfer; there are at most `maxStreams`.
 * 2. A reader that is slow holds up its own transfer only; one that is silent for `silenceMs`, or whose route is
 *    gone, is given up. Whoever sends more than it was granted is given up at once.
 */
import { type Failure, failure } from '@gryphgen/protocol';
import type { Alarms, Cancel, Clock } from './clock.ts';
import { DataStream } from './data-stream.ts';
import {
  type DataAnswer,
  type DataRequest,
  decodeDataRequest,
  encodeData,
  isPaced,
  isRead,
  keepAliveMs,
  type OpenRequest,
  silenceMs,
  takesInput,
  takesWords,
} from './data-wire.ts';
import { DuplexStream } from './duplex-stream.ts';
import type { Grant } from './grant.ts';
import { GrantCheck, type GrantCheckOptions, revokedFailure } from './grant-check.ts';
import { Pace, slowWords } from './pace.ts';
import { type Served, serveTransfer } from './serve-transfer.ts';

const maxStreams = 256;
export const blockedRetryMs = 5;

export type SendOutcome = 'sent' | 'blocked' | 'gone';

/** Where a transfer's frames come from, and go to. */
export interface Route {
  /** No two have the same. */
  readonly key: string;
  /** Once, without waiting. */
  send(frame: Uint8Array): Promise<SendOutcome>;
}

export interface TransfersOptions extends GrantCheckOptions, Served {
  readonly clock: Clock;
  readonly alarms: Alarms;
}

interface Transfer {
  readonly route: Route;
  readonly grant: Grant;
  readonly stream: DataStream;
  readonly duplex: DuplexStream | null;
}

export class Transfers {
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
  private readonly options: TransfersOptions;
  private readonly transfers = new Map<string, Transfer>();
  private readonly check: GrantCheck;
  private readonly running = new Set<Promise<void>>();
  private cancelLook: Cancel = () => undefined;
  private stopped = false;

  constructor(options: TransfersOptions) {
    this.options = options;
    this.check = new GrantCheck(options);
  }

  start(): void {
    this.look();
  }

  /** Commands that run here are ended, their clients told. */
  async stop(): Promise<void> {
    this.cancelLook();
    this.stopped = true;
    for (const transfer of this.transfers.values()) this.giveUp(transfer, workerStopped);
    await Promise.all(this.running);
  }

  /** Those whose grants are void from now on, all of them: what runs on such a grant ends at once. */
  revoke(principals: readonly string[]): void {
    this.check.revoke(principals);
    for (const transfer of this.transfers.values())
      if (this.check.isVoid(transfer.grant)) this.giveUp(transfer, revokedFailure);
  }

  receive(route: Route, frame: Uint8Array): void {
    const request = decodeDataRequest(frame);
    if (request === undefined) this.counters.malformed++;
    else if ('grant' in request) this.onOpen(route, request);
    else this.onRequest(route, request);
  }

  /** Nothing comes by these routes any more. */
  leave(isGone: (key: string) => boolean): void {
    for (const [key, { stream }] of this.transfers) {
      if (!isGone(key) || stream.abort.signal.aborted) continue;
      this.counters.gone++;
      stream.abort.abort();
    }
  }

  /** A connection has ended: which one shows when it is spoken to. */
  findGone(): void {
    const alive = encodeData({ kind: 'alive' });
    for (const { route, stream } of this.transfers.values()) {
      const found = route.send(alive).then((outcome) => {
        if (outcome !== 'gone' || stream.abort.signal.aborted) return;
        this.counters.gone++;
        stream.abort.abort();
      });
      this.track(found);
    }
  }

  private onRequest(route: Route, request: Exclude<DataRequest, OpenRequest>): void {
    const transfer = this.transfers.get(route.key);
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
        this.track(route.send(encodeData({ kind: 'alive' })));
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

  private onOpen(route: Route, request: OpenRequest): void {
    const grant = this.judge(route, request);
    if ('code' in grant) {
      this.counters.refused++;
      this.track(route.send(encodeData({ kind: 'end', failure: grant })));
      return;
    }
    this.counters.streams++;
    const from = request.kind === 'logs' ? request.from : 0;
    const { clock } = this.options;
    const pace = isPaced(request) ? new Pace(clock) : null;
    const stream = new DataStream(
      (answer) => this.send(route, answer),
      from,
      request.credit,
      clock.mono(),
      pace,
    );
    const duplex = takesWords(request) ? new DuplexStream(stream, takesInput(request)) : null;
    this.transfers.set(route.key, { route, grant, stream, duplex });
    const work = () => serveTransfer(this.options, request, grant, stream, duplex);
    this.track(stream.run(work).finally(() => this.transfers.delete(route.key)));
  }

  private judge({ key }: Route, request: OpenRequest): Grant | Failure {
    if (this.stopped) return workerStopped;
    const grant = this.check.judge(key, request);
    if ('code' in grant) return grant;
    if (this.transfers.has(key)) return failure('rejected.state', 'a connection carries one transfer');
    if (this.transfers.size >= maxStreams)
      return failure('rejected.limit', `${maxStreams} transfers are under way`);
    return (isRead(request) ? undefined : this.check.use(grant)) ?? grant;
  }

  /** Told at once, once: nothing is waited for any more. */
  private giveUp({ route, stream }: Transfer, why: Failure): void {
    if (stream.abort.signal.aborted) return;
    this.track(route.send(encodeData({ kind: 'end', failure: why })));
    stream.abort.abort();
  }

  /** A chunk or the end: waits until the reader takes it. False when it is gone. */
  private async send(route: Route, answer: DataAnswer): Promise<boolean> {
    const frame = encodeData(answer);
    for (;;) {
      const outcome = await route.send(frame);
      if (outcome !== 'blocked') return outcome === 'sent';
      const transfer = this.transfers.get(route.key);
      if (!transfer || transfer.stream.abort.signal.aborted) return false;
      await new Promise<void>((resolve) => void this.options.alarms.after(blockedRetryMs, resolve));
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

  private track(work: Promise<unknown>): void {
    const done: Promise<void> = work.then(() => undefined).finally(() => this.running.delete(done));
    this.running.add(done);
  }
}

const workerStopped = failure('lost.worker', 'its worker has been stopped');
