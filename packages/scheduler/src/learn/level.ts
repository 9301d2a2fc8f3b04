/**
 * A number that is learned: where the middle of what was seen lies. Numbers here are logarithms, so that what is learned
 * are ratios, and a second more counts for much where runs take one and for nothing where they take an hour.
 *
 * 1. One observation moves it by no more than a share of `most`, however wild it is.
 * 2. Its rate never falls below `leastRate`: what changed is forgotten in bounded time.
 */
export interface Level {
  /** Observations so far. */
  n: number;
  at: number;
}

export function unknownLevel(): Level {
  return { n: 0, at: 0 };
}

/** The first observation sets it. */
export function learn(level: Level, value: number, leastRate: number, most: number): void {
  level.n += 1;
  if (level.n === 1) level.at = value;
  else level.at += Math.max(1 / level.n, leastRate) * clamp(value - level.at, most);
}

/** `level` as far as it is known, `prior` for the rest: that weighs as much as `weight` observations. */
export function shrunk(level: Level | undefined, prior: number, weight: number): number {
  if (level === undefined || level.n === 0) return prior;
  const n = Math.min(level.n, steadyN);
  return (n * level.at + weight * prior) / (n + weight);
}
const steadyN = 64;

export function clamp(value: number, most: number): number {
  return Math.min(most, Math.max(-most, value));
}
