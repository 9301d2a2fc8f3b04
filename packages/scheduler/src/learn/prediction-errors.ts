/**
 * How far what was foretold of tasks was from what came: for each class on each worker, of its run, its memory and its
 * device memory, of how long what it needs takes to be there, of when there is room for those that wait for it by choice, and of
 * how long models load.
 *
 * 1. An error is the logarithm of what was seen over what was foretold (the median), so that twice and half as much are as
 *    far off; the mean of its size forgets at `rate`.
 * 2. Bounded: the pairs that were used least recently go first.
 * 3. Deterministic: the same errors in the same order make the same numbers, here and in a replay.
 */
import type { PredictionError } from '@gryphgen/protocol';
import { RecentMap } from '../recency.ts';

/** In the order in which they are saved: new ones come at the end. */
export const foretoldParts = ['run', 'memory', 'vram', 'fetch', 'start', 'load'] as const;
export type ForetoldPart = (typeof foretoldParts)[number];

/** `off`: mean size of the error; `lean`: its mean, more than 0 where more was seen than was foretold. */
interface ErrorMean {
  n: number;
  off: number;
  lean: number;
}

export type ClassErrors = { readonly taskClass: string } & {
  readonly [P in ForetoldPart]?: PredictionError;
};

/** One foretold and seen amount; either may be missing. */
export type Foretelling = {
  readonly [P in ForetoldPart]?: readonly [foretold: number | undefined, seen: number | undefined];
};

interface Pair {
  readonly worker: string;
  readonly taskClass: string;
  readonly means: Partial<Record<ForetoldPart, ErrorMean>>;
}

export type SavedErrors = readonly (readonly [
  worker: string,
  taskClass: string,
  means: readonly (readonly [part: number, n: number, off: number, lean: number])[],
])[];

const keptPairs = 8192;
const leastRate = 1 / 20;
/** ln: a factor of some twenty thousand. */
const mostError = 10;

export class PredictionErrors {
  private readonly pairs = new RecentMap<Pair>(keptPairs);
  private readonly byWorker = new Map<string, Set<Pair>>();
  /** Tasks of one class end in runs: it need not be looked up by a string made for it. */
  private latest: Pair | undefined;

  note(worker: string, taskClass: string, parts: Foretelling): void {
    for (const part of foretoldParts) {
      const [foretold = 0, seen = 0] = parts[part] ?? [];
      if (!(foretold > 0 && seen > 0)) continue;
      const error = Math.max(-mostError, Math.min(mostError, Math.log(seen / foretold)));
      if (Number.isNaN(error)) continue;
      const { means } = this.pairOf(worker, taskClass);
      const mean = means[part] ?? { n: 0, off: 0, lean: 0 };
      means[part] = mean;
      mean.n += 1;
      const rate = Math.max(1 / mean.n, leastRate);
      mean.off += rate * (Math.abs(error) - mean.off);
      mean.lean += rate * (error - mean.lean);
    }
  }

  /** Of one worker, at most so many classes, those of the most attempts first. */
  of(worker: string, most: number): readonly ClassErrors[] {
    return [...(this.byWorker.get(worker) ?? [])]
      .sort((a, b) => attemptsOf(b) - attemptsOf(a))
      .slice(0, most)
      .map(errorsOf);
  }

  forgetWorker(worker: string): void {
    for (const pair of this.byWorker.get(worker) ?? []) this.pairs.delete(keyOf(pair));
    this.byWorker.delete(worker);
    this.latest = undefined;
  }

  /** One class on one worker, as it is saved. */
  pairIn(worker: string, taskClass: string): SavedErrors[number] | undefined {
    const pair = this.pairs.get(keyOf({ worker, taskClass }));
    return pair && savedPair(pair);
  }

  /** In place of what is known of that pair. */
  put([worker, taskClass, rows]: SavedErrors[number]): void {
    const { means } = this.pairOf(worker, taskClass);
    for (const [index, n, off, lean] of rows) {
      const part = foretoldParts[index];
      if (part !== undefined) means[part] = { n, off, lean };
    }
  }

  save(): SavedErrors {
    return [...this.pairs.values()].map(savedPair);
  }

  /** Instead of what is known. */
  load(saved: SavedErrors): void {
    this.pairs.clear();
    this.byWorker.clear();
    this.latest = undefined;
    for (const pair of saved) this.put(pair);
  }

  private pairOf(worker: string, taskClass: string): Pair {
    const { latest } = this;
    if (latest?.worker === worker && latest.taskClass === taskClass) return latest;
    const key = keyOf({ worker, taskClass });
    let pair = this.pairs.use(key);
    if (pair === undefined) {
      pair = { worker, taskClass, means: {} };
      if (this.pairs.size >= keptPairs) this.forgetOldest();
      const ofWorker = this.byWorker.get(worker) ?? new Set();
      this.byWorker.set(worker, ofWorker.add(pair));
      this.pairs.add(key, pair);
    }
    this.latest = pair;
    return pair;
  }

  private forgetOldest(): void {
    const pair = this.pairs.oldest;
    if (pair === undefined) return;
    this.pairs.delete(keyOf(pair));
    const ofWorker = this.byWorker.get(pair.worker);
    ofWorker?.delete(pair);
    if (ofWorker?.size === 0) this.byWorker.delete(pair.worker);
  }
}

function keyOf({ worker, taskClass }: Pick<Pair, 'worker' | 'taskClass'>): string {
  return `${worker} ${taskClass}`;
}

function savedPair({ worker, taskClass, means }: Pair): SavedErrors[number] {
  const rows = foretoldParts.flatMap((part, index) => {
    const mean = means[part];
    return mean === undefined ? [] : [[index, mean.n, mean.off, mean.lean] as const];
  });
  return [worker, taskClass, rows] as const;
}

function attemptsOf({ means }: Pair): number {
  return Math.max(...foretoldParts.map((part) => means[part]?.n ?? 0));
}

function errorsOf({ taskClass, means }: Pair): ClassErrors {
  const parts = foretoldParts.flatMap((part) => {
    const mean = means[part];
    if (mean === undefined) return [];
    return [[part, { seen: mean.n, factor: Math.exp(mean.off), lean: Math.exp(mean.lean) }] as const];
  });
  return { taskClass, ...Object.fromEntries(parts) };
}
