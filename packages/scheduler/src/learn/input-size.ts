/**
 * How an amount (of time, of memory) grows with the size of the inputs: the slope between logarithms, fitted as runs end.
 *
 * 1. It counts only while runs are foretold better with it than without; both errors are kept.
 * 2. It is drawn to none while few were seen, and reaches not far beyond sizes that were seen.
 * 3. At the mean size it adds nothing: what is known without it is known with it.
 */
import { clamp, type Level, learn, unknownLevel } from './level.ts';

/** ln of the bytes: their mean and variance. */
export interface InputSizes extends Level {
  variance: number;
}

/** `off`, `offWithout`: mean distance of what was seen from what is expected with the slope and without. */
export interface BySize {
  slope: number;
  off: number;
  offWithout: number;
}

const leastRate = 1 / 64;
/** Sizes that hardly differ say nothing of how anything grows with them. */
const leastVariance = 0.01;
/** Twice the input, four times the run; beyond it something else is at work. */
const mostSlope = 2;
/** No slope counts as much as so many runs. */
const noSlopeRuns = 8;
/** It must be better by so much: chance is a little better half of the time. */
const better = 0.95;
/** ln 2: as much beyond three standard deviations. */
const reach = 0.7;
/** ln: sizes farther from their mean than that are as good as there. */
const mostFrom = 8;

export function unknownSizes(): InputSizes {
  return { ...unknownLevel(), variance: 0 };
}

export function unknownBySize(): BySize {
  return { slope: 0, off: 0, offWithout: 0 };
}

/** What inputs of this size add to the logarithm of the amount. `bytes` 0: it is not known, or there are none. */
export function addedBy(by: BySize, sizes: InputSizes, bytes: number): number {
  return bytes > 0 && by.off < better * by.offWithout ? effectOf(by, sizes, fromMean(sizes, bytes)) : 0;
}

/** `bytes` more than 0. */
export function learnSize(sizes: InputSizes, bytes: number): void {
  const size = Math.log(bytes);
  const from = sizes.n === 0 ? 0 : clamp(size - sizes.at, mostFrom);
  learn(sizes, size, leastRate, mostFrom);
  sizes.variance += Math.max(1 / sizes.n, leastRate) * (from * from - sizes.variance);
}

/** `distance`: of what was seen from what is expected without the slope. `within`: farther off it counts as if it were there. */
export function learnBySize(
  by: BySize,
  sizes: InputSizes,
  bytes: number,
  distance: number,
  within: number,
): void {
  if (bytes <= 0 || sizes.variance < leastVariance) return;
  const from = fromMean(sizes, bytes);
  const rate = Math.max(1 / sizes.n, leastRate);
  const left = distance - effectOf(by, sizes, from);
  by.off += rate * (Math.min(within, Math.abs(left)) - by.off);
  by.offWithout += rate * (Math.min(within, Math.abs(distance)) - by.offWithout);
  const wrong = clamp(distance - by.slope * from, within);
  by.slope = clamp(by.slope + (rate * wrong * from) / sizes.variance, mostSlope);
}

function effectOf({ slope }: BySize, { n, variance }: InputSizes, from: number): number {
  const most = 3 * Math.sqrt(variance) + reach;
  return (n / (n + noSlopeRuns)) * slope * clamp(from, most);
}

function fromMean({ at }: InputSizes, bytes: number): number {
  return clamp(Math.log(bytes) - at, mostFrom);
}
