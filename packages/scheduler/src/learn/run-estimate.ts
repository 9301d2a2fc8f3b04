/** How long a run is expected to take, from the logarithm of what is usual and how far runs differ. Between a millisecond and a month. */
import { meanAboveMedian, type Spread } from './spread.ts';

export interface RunEstimate {
  readonly p50Ms: number;
  readonly p90Ms: number;
  readonly meanMs: number;
  /** Runs of the class that were seen on this seat, and anywhere. */
  readonly here: number;
  readonly anywhere: number;
}

/** ms of the mean, on seat after seat. */
export type MeanMs = (seatId: string) => number;

export const leastRunMs = 1;
export const mostRunMs = 30 * 24 * 3600_000;

export function estimateOf(middle: number, spread: Spread, here: number, anywhere: number): RunEstimate {
  return {
    p50Ms: msOf(middle + spread.p50),
    p90Ms: msOf(middle + spread.p90),
    meanMs: msOf(middle + spread.p50 + meanAboveMedian(spread)),
    here,
    anywhere,
  };
}

export function msOf(ln: number): number {
  return Math.min(mostRunMs, Math.max(leastRunMs, Math.exp(ln)));
}
