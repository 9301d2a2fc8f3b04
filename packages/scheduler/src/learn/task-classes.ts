/**
 * What is known of each class of tasks: how long its runs take, by itself and on each seat, how that grows with the size
 * of the inputs, how far runs differ, and what they need of memory.
 *
 * 1. Bounded: the classes, and of each the seats, used least recently go first.
 */
import { clamp, type Level, learn, unknownLevel } from './level.ts';
import { leastRecent, touched } from './recency.ts';
import { believedWithin, learnSpread, type Spread, unknownSpread } from './spread.ts';

/** Of a class on one seat. `jump`: the seat's when it was last learned. */
export interface Pair extends Level {
  jump: number;
  /** The class's number of runs then. */
  seen: number;
}

/** A size in bytes, as its logarithm. */
interface Need {
  readonly level: Level;
  readonly spread: Spread;
}

export interface TaskClass {
  /** Runs so far. */
  n: number;
  /** On the reference machine. */
  readonly level: Level;
  readonly spread: Spread;
  /** ln of the bytes of the inputs: the first seen, their mean and variance, and what one more adds to a run. */
  readonly inputs: Level & { first: number; variance: number; slope: number };
  /** By seat, and by `~model`. */
  readonly pairs: Map<string, Pair>;
  memory: Need | null;
  vram: Need | null;
}

const keptClasses = 1024;
const keptPairs = 128;
const leastInputRate = 1 / 64;
/** Twice the input, four times the run; beyond it something else is at work. */
const mostSlope = 2;
const leastNeedRate = 1 / 16;

export class TaskClasses {
  private readonly classes = new Map<string, TaskClass>();
  /** The one used last need not be moved behind itself. */
  private newest: string | undefined;

  find(name: string): TaskClass | undefined {
    return this.classes.get(name);
  }

  get size(): number {
    return this.classes.size;
  }

  used(name: string): TaskClass {
    let found = this.classes.get(name);
    if (found === undefined) {
      leastRecent(this.classes, keptClasses);
      found = unknownClass();
      this.classes.set(name, found);
    } else if (this.newest !== name) {
      touched(this.classes, name, found);
    }
    this.newest = name;
    return found;
  }

  save(): readonly SavedClass[] {
    return [...this.classes].map(([name, one]) => {
      const { n, level, spread, inputs, pairs, memory, vram } = one;
      const known = [...pairs].map(([key, { n, at, jump, seen }]) => [key, n, at, jump, seen] as const);
      return [name, n, level, spread, inputs, known, memory, vram] as const;
    });
  }

  load(saved: readonly SavedClass[]): void {
    this.classes.clear();
    for (const [name, n, level, spread, inputs, pairs, memory, vram] of saved) {
      this.classes.set(name, {
        n,
        level: { ...level },
        spread: { ...spread },
        inputs: { ...inputs },
        pairs: new Map(pairs.map(([key, tries, at, jump, seen]) => [key, { n: tries, at, jump, seen }])),
        memory: memory && structuredClone(memory),
        vram: vram && structuredClone(vram),
      });
      this.newest = name;
    }
  }
}

/** As plain data. */
export type SavedClass = readonly [
  name: string,
  n: number,
  level: Level,
  spread: Spread,
  inputs: TaskClass['inputs'],
  pairs: readonly (readonly [key: string, n: number, at: number, jump: number, seen: number])[],
  memory: Need | null,
  vram: Need | null,
];

export function pairOf({ pairs }: TaskClass, key: string): Pair {
  let pair = pairs.get(key);
  if (pair === undefined) {
    leastRecent(pairs, keptPairs);
    pair = { ...unknownLevel(), jump: 0, seen: 0 };
  }
  touched(pairs, key, pair);
  return pair;
}

/** What inputs of this size add to the logarithm of a run. `bytes` 0: it is not known, or there are none. */
export function inputEffect({ inputs }: TaskClass, bytes: number): number {
  return bytes > 0 && inputs.n > 0 ? inputs.slope * (Math.log(bytes) - inputs.first) : 0;
}

/** `distance`: of the run, from what was expected. */
export function learnInputs({ inputs }: TaskClass, bytes: number, distance: number): void {
  if (bytes <= 0) return;
  const size = Math.log(bytes);
  if (inputs.n === 0) inputs.first = size;
  const from = size - (inputs.n === 0 ? size : inputs.at);
  learn(inputs, size, leastInputRate, 8);
  const rate = Math.max(1 / inputs.n, leastInputRate);
  inputs.variance += rate * (from * from - inputs.variance);
  // Sizes that hardly differ say nothing of how runs grow with them.
  if (inputs.variance < leastVariance) return;
  inputs.slope = clamp(inputs.slope + (rate * distance * from) / inputs.variance, mostSlope);
}
const leastVariance = 0.01;

/** `need`: of earlier runs, null of none; `bytes` more than 0. */
export function learnNeed(need: Need | null, bytes: number): Need {
  const known = need ?? { level: unknownLevel(), spread: { ...unknownSpread(), scale: 0.2, p90: 0.2 } };
  const value = Math.log(bytes);
  if (known.level.n > 0) learnSpread(known.spread, value - known.level.at);
  learn(known.level, value, leastNeedRate, believedWithin(known.spread));
  return known;
}

function unknownClass(): TaskClass {
  return {
    n: 0,
    level: unknownLevel(),
    spread: unknownSpread(),
    inputs: { ...unknownLevel(), first: 0, variance: 0, slope: 0 },
    pairs: new Map(),
    memory: null,
    vram: null,
  };
}
