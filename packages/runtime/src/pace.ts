/**
 * Whether a peer draws a transfer out: a large one may take as long as it takes, but each `spanMs` that were spent in
 * waiting for the peer must have moved something.
 */
import type { Clock } from './clock.ts';

const usualSpanMs = 60_000;
/** Of the slowest line that is worth waiting for: a kilobyte a second. */
const leastBytes = 64 * 1024;

export const slowWords = `moves less than ${leastBytes / 1024} KiB in ${usualSpanMs / 1000} s`;

export class Pace {
  private readonly clock: Clock;
  private readonly spanMs: number;
  private waitedMs = 0;
  private bytes = 0;
  /** Clock.mono; null while it is not the peer that is waited for. */
  private since: number | null = null;

  constructor(clock: Clock, spanMs = usualSpanMs) {
    this.clock = clock;
    this.spanMs = spanMs;
  }

  waits(): void {
    this.since ??= this.clock.mono();
  }

  goesOn(): void {
    if (this.since !== null) this.waitedMs += this.clock.mono() - this.since;
    this.since = null;
  }

  moved(bytes: number): void {
    this.bytes += bytes;
    if (this.bytes < leastBytes) return;
    this.bytes = 0;
    this.waitedMs = 0;
    if (this.since !== null) this.since = this.clock.mono();
  }

  get isSlow(): boolean {
    return this.leftMs < 0;
  }

  /** How much longer it may be waited for, unless it moves. */
  get leftMs(): number {
    const now = this.since === null ? 0 : this.clock.mono() - this.since;
    return this.spanMs - this.waitedMs - now;
  }
}
