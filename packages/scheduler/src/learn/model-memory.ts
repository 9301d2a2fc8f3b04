/**
 * How much more, or less, of a device's memory a model takes than was estimated from its file: learned of instances, for the
 * model, and for all of its architecture.
 *
 * 1. A worker's own word counts in full there alone, where a lie costs itself. Elsewhere the middle of what workers told
 *    counts, and of a single one's word no more than `aloneMost`; nothing counts for more than `least` to `most`.
 * 2. Deterministic and bounded: so many models and architectures, and of each the workers that told last.
 */
import { RecentMap } from '../recency.ts';
import { clamp, type Level, learn, shrunk, unknownLevel } from './level.ts';

/** What a plan makes of it. */
export interface MemoryFactor {
  /** By which the estimate is multiplied. */
  readonly factor: number;
  /** Whose instances taught it. */
  readonly from: 'nothing' | 'architecture' | 'model';
  /** Instances that did. */
  readonly seen: number;
}

type Teller = [worker: string, n: number, at: number];
export type SavedModelMemory = readonly (readonly [key: string, tellers: readonly Teller[]])[];

const kept = 512;
const keptTellers = 8;
const leastRate = 1 / 8;
/** As logarithms. */
const least = Math.log(0.85);
const most = Math.log(1.5);
const aloneMost = Math.log(1.15);
/** One instance moves it by no more. */
const mostStep = Math.log(1.5);
/** What is known elsewhere counts as one instance here. */
const elsewhereWeight = 1;

const unchanged: MemoryFactor = { factor: 1, from: 'nothing', seen: 0 };

export class ModelMemory {
  private readonly tellers = new RecentMap<Map<string, Level>>(kept);

  /** An instance held `ratio` times what was estimated, which was multiplied by what stood here then. */
  observe(model: string, architecture: string, worker: string, ratio: number): void {
    if (!(ratio > 0) || !Number.isFinite(ratio)) return;
    const value = Math.log(ratio) + Math.log(this.factor(model, architecture, worker).factor);
    const bounded = Math.min(2 * most, Math.max(2 * least, value));
    for (const key of [modelKey(model), architectureKey(architecture)]) {
      const of = this.tellers.use(key) ?? this.begun(key);
      const level = of.get(worker) ?? unknownLevel();
      of.delete(worker);
      of.set(worker, level);
      const [oldest] = of.keys();
      if (of.size > keptTellers && oldest !== undefined) of.delete(oldest);
      learn(level, bounded, leastRate, mostStep);
    }
  }

  factor(model: string, architecture: string, worker: string): MemoryFactor {
    const own = this.known(modelKey(model), worker);
    if (own !== undefined) return { ...own, from: 'model' };
    const alike = this.known(architectureKey(architecture), worker);
    return alike === undefined ? unchanged : { ...alike, from: 'architecture' };
  }

  /** It is another file under this name. */
  forget(model: string): void {
    this.tellers.get(modelKey(model))?.clear();
  }

  save(): SavedModelMemory {
    return [...this.tellers].map(
      ([key, of]) => [key, [...of].map(([worker, { n, at }]): Teller => [worker, n, at])] as const,
    );
  }

  load(saved: SavedModelMemory): void {
    this.tellers.clear();
    for (const [key, tellers] of saved) {
      const of = this.begun(key);
      for (const [worker, n, at] of tellers) of.set(worker, { n, at });
    }
  }

  private begun(key: string): Map<string, Level> {
    const of = new Map<string, Level>();
    this.tellers.add(key, of);
    return of;
  }

  private known(key: string, worker: string): Pick<MemoryFactor, 'factor' | 'seen'> | undefined {
    const of = this.tellers.get(key);
    if (of === undefined || of.size === 0) return undefined;
    const others = [...of].flatMap(([id, { at }]) => (id === worker ? [] : [at])).sort((a, b) => a - b);
    const middle = others[(others.length - 1) >> 1] ?? 0;
    const elsewhere = others.length === 1 ? clamp(middle, aloneMost) : middle;
    const at = shrunk(of.get(worker), elsewhere, others.length === 0 ? 0 : elsewhereWeight);
    const seen = [...of.values()].reduce((sum, { n }) => sum + n, 0);
    return { factor: Math.exp(Math.min(most, Math.max(least, at))), seen };
  }
}

function modelKey(name: string): string {
  return `m ${name}`;
}

function architectureKey(name: string): string {
  return `a ${name}`;
}
