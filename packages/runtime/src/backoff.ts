/**
 * How long to wait before the next try: doubling from `baseMs` up to `ceilingMs`, each wait drawn from its upper half,
 * so that a thousand peers that lost one broker do not come back in step.
 */
import type { Random } from './random.ts';

export interface BackoffBounds {
  readonly baseMs: number;
  readonly ceilingMs: number;
}

export class Backoff {
  private readonly random: Random;
  private readonly bounds: BackoffBounds;
  private tries = 0;

  constructor(random: Random, bounds: BackoffBounds) {
    this.random = random;
    this.bounds = bounds;
  }

  nextMs(): number {
    const { baseMs, ceilingMs } = this.bounds;
    const waitMs = Math.min(ceilingMs, baseMs * 2 ** this.tries);
    if (waitMs < ceilingMs) this.tries++;
    return waitMs / 2 + (waitMs / 2) * this.random.number();
  }

  reset(): void {
    this.tries = 0;
  }
}
