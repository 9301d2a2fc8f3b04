/**
 * A node's own clocks: neither agrees with the simulation's time nor with another node's.
 *
 * 1. `mono` never goes back within one life of a process and runs at most 1e-3 fast or slow, as quartz and NTP's
 *    slewing allow; it starts anywhere with each life.
 * 2. `wall` is off by an offset that may jump either way at any time.
 */
import type { SeededRandom } from './seeded-random.ts';

/** Fraction by which a monotonic clock may be fast or slow. */
const maxDrift = 1e-3;
/** 2026-11-01T00:00:00Z: runs print plausible wall times and none depends on today's. */
const wallStart = 1_793_491_200_000;

export class SimClock {
  private readonly random: SeededRandom;
  private rate = 1;
  private origin = 0;
  private bornAt = 0;
  private wallOffset: number;

  constructor(random: SeededRandom, driftScale: number) {
    this.random = random;
    this.rate = 1 + random.between(-maxDrift, maxDrift) * driftScale;
    this.wallOffset = Math.round(random.between(-2000, 2000));
  }

  /** A new life of the process: its monotonic clock starts anew. */
  reborn(simNow: number): void {
    this.bornAt = simNow;
    this.origin = this.random.between(0, 1e6);
  }

  now(simNow: number): { readonly mono: number; readonly wall: number } {
    return { mono: this.mono(simNow), wall: this.wall(simNow) };
  }

  mono(simNow: number): number {
    return this.origin + (simNow - this.bornAt) * this.rate;
  }

  wall(simNow: number): number {
    return Math.floor(wallStart + simNow + this.wallOffset);
  }

  jumpWall(byMs: number): void {
    this.wallOffset += byMs;
  }

  /** Sim milliseconds that pass while `monoMs` pass on this node's clock. */
  simDuration(monoMs: number): number {
    return monoMs / this.rate;
  }
}
