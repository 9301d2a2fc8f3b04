/**
 * What is expected of a class of which nothing has ended yet: as long as the first runs of other classes of its family took. It is
 * wrong by far more than what was seen of a class, but better than nothing: it tells a pull that is worth it from one that is not, and
 * lets runs go first that are known to be short.
 *
 * 1. Each class counts with its first runs alone: one that runs often says no more of new ones than one that is rare.
 * 2. Bounded: the families used least recently go first.
 */
import { RecentMap } from '../recency.ts';
import type { Shape } from '../shape.ts';
import { type Level, learn, unknownLevel } from './level.ts';
import { learnSpread, type Spread, unknownSpread } from './spread.ts';

interface Family {
  readonly level: Level;
  readonly spread: Spread;
}

/** As plain data. */
export type SavedNewcomers = readonly (readonly [family: string, level: Level, spread: Spread])[];

const keptFamilies = 64;
const firstRuns = 3;
const leastRate = 1 / 32;
/** ln: a factor of some three thousand. */
const mostDistance = 8;

/** Tasks that begin alike: of one kind, with a device or without. */
export function familyOf({ kind, resources }: Pick<Shape, 'kind' | 'resources'>): string {
  return resources.gpu === undefined ? kind : `${kind} on a device`;
}

export class Newcomers {
  private readonly families = new RecentMap<Family>(keptFamilies);

  /** `run`: ln of one on the reference machine; `before`: runs of its class that were seen before it. */
  observe(family: string, run: number, before: number): void {
    if (before >= firstRuns) return;
    let known = this.families.use(family);
    if (known === undefined) {
      known = { level: unknownLevel(), spread: unknownSpread() };
      this.families.add(family, known);
    } else learnSpread(known.spread, run - known.level.at);
    learn(known.level, run, leastRate, mostDistance);
  }

  find(family: string): Family | undefined {
    return this.families.get(family);
  }

  save(): SavedNewcomers {
    return [...this.families].map(([name, { level, spread }]) => [name, { ...level }, { ...spread }]);
  }

  load(saved: SavedNewcomers): void {
    this.families.clear();
    for (const [name, level, spread] of saved)
      this.families.add(name, { level: { ...level }, spread: { ...spread } });
  }
}
