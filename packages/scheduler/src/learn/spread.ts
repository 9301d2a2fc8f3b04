/**
 * How far what was seen lies from what was expected: the mean distance, and the quantiles p50 and p90 of the signed one,
 * tracked without keeping any of it (Robbins and Monro 1951).
 *
 * 1. p50 ≤ p90, and one observation moves each by no more than the mean distance.
 */
export interface Spread {
  n: number;
  /** Mean distance. */
  scale: number;
  p50: number;
  p90: number;
}

/** Of a class that was hardly seen: nine of ten runs take less than three times as long as expected. */
const unknownP90 = Math.log(3);
const unknownScale = 0.7;
/** A memory of some fifty observations. */
const leastRate = 1 / 50;
/** 1 / density at the quantile, of a normal distribution with mean distance 1. */
const stepAtP50 = 3.1;
const stepAtP90 = 7.1;
/** A single distance counts for so many of the mean. */
const mostScales = 4;
const leastScale = 0.02;

export function unknownSpread(): Spread {
  return { n: 0, scale: unknownScale, p50: 0, p90: unknownP90 };
}

/** `distance`: seen less expected. */
export function learnSpread(spread: Spread, distance: number): void {
  spread.n += 1;
  const rate = Math.max(1 / (spread.n + 2), leastRate);
  const counted = Math.min(Math.abs(distance), mostScales * spread.scale);
  spread.scale = Math.max(leastScale, spread.scale + rate * (counted - spread.scale));
  spread.p50 += step(spread, distance, 0.5, spread.p50, rate * stepAtP50);
  spread.p90 += step(spread, distance, 0.9, spread.p90, rate * stepAtP90);
  spread.p90 = Math.max(spread.p90, spread.p50);
}

function step({ scale }: Spread, distance: number, share: number, at: number, rate: number): number {
  return Math.min(1, rate) * scale * (distance < at ? share - 1 : share);
}

/** Farther than this from what was expected, an observation counts as if it were there. */
export function believedWithin({ scale }: Spread): number {
  return 3 * scale + 0.1;
}

/** ln of mean over median, were the logarithms normally distributed; bounded, as a tail that was not seen is not known. */
export function meanAboveMedian({ scale }: Spread): number {
  return Math.min(1, (1.25 * scale) ** 2 / 2);
}
