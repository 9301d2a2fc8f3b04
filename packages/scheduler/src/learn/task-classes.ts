/**
 * What is known of each class of tasks: how long its runs take, by itself and on each seat, how that grows with the size
 * of the inputs, how far runs differ, and what they need of memory.
 *
 * 1. Bounded: the classes, and of each the seats, used least recently go first.
 */
import { RecentMap } from '../recency.ts';
import { type BySize, type InputSizes, unknownBySize, unknownSizes } from './input-size.ts';
import { clamp, type Level, learn, unknownLevel } from './level.ts';
import type { Need } from './needs.ts';
import { type Spread, unknownSpread } from './spread.ts';

/** Of a class on one seat. `jump`: the seat's when it was last learned. */
export interface Pair extends Level {
  jump: number;
  /** The class's number of runs then. */
  seen: number;
}

export interface TaskClass {
  /** Runs so far. */
  n: number;
  /** On the reference machine. */
  readonly level: Level;
  readonly spread: Spread;
  /** How far a run is from those before it on its seat. */
  readonly noise: Level;
  readonly inputs: InputSizes;
  /** What inputs add to a run. */
  readonly bySize: BySize;
  /** ln of the threads that it keeps busy, as was seen, or else as it asked for. */
  readonly threads: Level;
  /** By seat. */
  readonly pairs: RecentMap<Pair>;
  /** By model. */
  readonly alike: RecentMap<Pair>;
  memory: Need | null;
  vram: Need | null;
}

const keptClasses = 1024;
const keptPairs = 128;
/** Before the name of a model in what is saved: no seat begins so. */
const modelMark = '~';
const leastThreadsRate = 1 / 16;
/** ln of a thousand. */
const mostThreads = 7;

export class TaskClasses {
  private readonly classes = new RecentMap<TaskClass>(keptClasses);

  find(name: string): TaskClass | undefined {
    return this.classes.get(name);
  }

  get size(): number {
    return this.classes.size;
  }

  used(name: string): TaskClass {
    let found = this.classes.use(name);
    if (found === undefined) {
      found = unknownClass();
      this.classes.add(name, found);
    }
    return found;
  }

  /** As it was saved, in place of what is known of it. */
  put(saved: SavedClass): void {
    const [name] = saved;
    this.classes.delete(name);
    this.classes.add(name, loadedClass(saved));
  }

  save(): readonly SavedClass[] {
    return [...this.classes].map(([name, one]) => savedClass(name, one));
  }

  load(saved: readonly SavedClass[]): void {
    this.classes.clear();
    for (const one of saved) this.classes.add(one[0], loadedClass(one));
  }
}

/** As plain data. */
export type SavedClass = readonly [
  name: string,
  n: number,
  level: Level,
  spread: Spread,
  inputs: InputSizes,
  /** By seat, and by `~model`. */
  pairs: readonly (readonly [key: string, n: number, at: number, jump: number, seen: number])[],
  memory: Need | null,
  vram: Need | null,
  /** Missing in what earlier versions wrote. */
  threads?: Level,
  bySize?: BySize,
  noise?: Level,
];

export function pairIn(pairs: RecentMap<Pair>, key: string): Pair {
  let pair = pairs.use(key);
  if (pair === undefined) {
    pair = { ...unknownLevel(), jump: 0, seen: 0 };
    pairs.add(key, pair);
  }
  return pair;
}

/** How many it keeps busy; less than 1 of one that mostly waits, 1 where nothing is known. */
export function threadsOf({ threads }: TaskClass): number {
  return Math.exp(threads.at);
}

/** What was seen counts, or else what was asked for. */
export function learnThreads(
  { threads }: TaskClass,
  runMs: number,
  { cpuMs = 0, cpuMilli = 0 }: { readonly cpuMs?: number; readonly cpuMilli?: number },
): void {
  if (cpuMs > 0) learn(threads, clamp(Math.log(cpuMs / runMs), mostThreads), leastThreadsRate, 1);
  else if (threads.n === 0 && cpuMilli > 0) threads.at = clamp(Math.log(cpuMilli / 1000), mostThreads);
}

function unknownClass(): TaskClass {
  return {
    n: 0,
    level: unknownLevel(),
    spread: unknownSpread(),
    noise: unknownLevel(),
    inputs: unknownSizes(),
    bySize: unknownBySize(),
    threads: unknownLevel(),
    pairs: new RecentMap(keptPairs),
    alike: new RecentMap(keptPairs),
    memory: null,
    vram: null,
  };
}

export function savedClass(name: string, one: TaskClass): SavedClass {
  const { n, level, spread, noise, inputs, bySize, pairs, alike, memory, vram, threads } = one;
  const models = [...alike].map(([model, pair]) => [`${modelMark}${model}`, pair] as const);
  const known = [...pairs, ...models].map(
    ([key, { n: runs, at, jump, seen }]) => [key, runs, at, jump, seen] as const,
  );
  return [name, n, level, spread, inputs, known, memory, vram, threads, bySize, noise];
}

function loadedClass([
  ,
  n,
  level,
  spread,
  inputs,
  pairs,
  memory,
  vram,
  threads,
  bySize,
  noise,
]: SavedClass): TaskClass {
  const known: TaskClass = {
    n,
    level: { ...level },
    spread: { ...spread },
    noise: noise === undefined ? unknownLevel() : { ...noise },
    inputs: { n: inputs.n, at: inputs.at, variance: inputs.variance },
    bySize: { ...(bySize ?? unknownBySize()) },
    threads: threads === undefined ? unknownLevel() : { ...threads },
    pairs: new RecentMap(keptPairs),
    alike: new RecentMap(keptPairs),
    memory: memory && structuredClone(memory),
    vram: vram && structuredClone(vram),
  };
  for (const [key, tries, at, jump, seen] of pairs) {
    const pair = { n: tries, at, jump, seen };
    if (key.startsWith(modelMark)) known.alike.add(key.slice(modelMark.length), pair);
    else known.pairs.add(key, pair);
  }
  return known;
}

/** The same but for what is known by seat, of which `change` says level and jump. */
export function withPairs(
  [name, n, level, spread, inputs, pairs, ...rest]: SavedClass,
  change: (seat: string, at: number, jump: number) => readonly [at: number, jump: number],
): SavedClass {
  const changed = pairs.map(
    ([seat, runs, at, jump, seen]) => [seat, runs, ...change(seat, at, jump), seen] as const,
  );
  return [name, n, level, spread, inputs, changed, ...rest];
}
