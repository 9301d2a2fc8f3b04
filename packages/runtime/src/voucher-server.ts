/**
 * Where members ask who their broker is now, when they know only keys that it had before (E29). They can connect to it with the one key that
 * never changes: its CURVE key is made of the grid's *public* key, so it keeps out who does not know the grid, and proves
 * nothing. What is answered proves itself: it is signed.
 *
 * 1. Who is not let in is refused at the door; `answersPerSecond` others are answered, whoever asks; the rest is not, and asks again.
 */
import type { Router } from 'zeromq';
import { bindAll } from './bind-all.ts';
import type { Clock } from './clock.ts';
import { openGuardedRouter } from './guarded-router.ts';
import { type CurveKeys, identityFromSeed } from './keys.ts';
import type { ZapHandler } from './zap.ts';

export const voucherMagic = 'GV/1';
const answersPerSecond = 200;
const highWaterMark = 16;
/** What CURVE says before the first question counts too. */
const maxQuestionBytes = 1024;

export interface VoucherServerOptions {
  readonly endpoints: readonly string[];
  readonly gridKey: string;
  readonly admits: (curveKey: string) => boolean;
  readonly voucher: () => string;
  readonly clock: Clock;
}

/** What everybody knows who knows the grid. */
export function openKeysOf(gridKey: string): CurveKeys {
  return identityFromSeed(Buffer.from(gridKey, 'base64url')).curve;
}

export class VoucherServer {
  readonly counters = { answered: 0, unanswered: 0 };
  private readonly options: VoucherServerOptions;
  private readonly door: ZapHandler;
  private readonly socket: Router;
  private answering: Promise<void> | undefined;
  private second = 0;
  private left = answersPerSecond;

  constructor(options: VoucherServerOptions) {
    this.options = options;
    const { door, socket } = openGuardedRouter({
      admits: options.admits,
      curveSecretKey: openKeysOf(options.gridKey).secretKey,
      highWaterMark,
      maxMessageBytes: maxQuestionBytes,
      domain: 'voucher',
    });
    this.door = door;
    this.socket = socket;
  }

  /** Resolves with the endpoints bound. Throws what binding throws. */
  async start(): Promise<readonly string[]> {
    await this.door.start();
    const bound = await bindAll(this.socket, this.options.endpoints);
    this.answering = this.answer();
    return bound;
  }

  async stop(): Promise<void> {
    if (!this.socket.closed) this.socket.close();
    await this.answering;
    await this.door.stop();
  }

  private async answer(): Promise<void> {
    for await (const [id, magic, ...more] of this.socket) {
      if (!id || more.length > 0 || String(magic) !== voucherMagic || !this.mayAnswer()) {
        this.counters.unanswered++;
        continue;
      }
      this.counters.answered++;
      // Who is gone, or does not read, asks again.
      await this.socket.send([id, voucherMagic, this.options.voucher()]).catch(() => undefined);
    }
  }

  private mayAnswer(): boolean {
    const second = Math.floor(this.options.clock.mono() / 1000);
    if (second !== this.second) this.left = answersPerSecond;
    this.second = second;
    this.left -= 1;
    return this.left >= 0;
  }
}
