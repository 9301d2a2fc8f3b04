/**
 * What the grid is asked for, learned from the tasks it accepted: whoever places one task wants to know what the next
 * will need. Only tasks with devices count, since devices are what is scarce.
 *
 * 1. Knows nothing of the future, and forgets: at `window` tasks all counts are halved.
 * 2. Bounded: `keptClasses` classes, `knownKeys` shapes, `typicalTasks` told.
 * 3. What is told changes seldom, and as a new object: who keeps something worked out from it keeps it until then.
 */
import { normalized, type Shape, shapeKey } from './shape.ts';

export interface TypicalTask {
  /** Normalized, without image; it asks for devices. */
  readonly shape: Shape;
  /** Of all that is told, 0..1. */
  readonly share: number;
}

export interface TypicalDemand {
  /** Most frequent first. */
  readonly tasks: readonly TypicalTask[];
  /** 0..1, 0 exactly where nothing is known: how far to go by it. */
  readonly trust: number;
}

export const nothingKnown: TypicalDemand = { tasks: [], trust: 0 };

/** Tasks that count, about: some hours of a busy grid, and enough that a share of one in a hundred is seen. */
const window = 8192;
const keptClasses = 512;
const knownKeys = 4096;
/** Each is looked at for every device of every worker. */
const typicalTasks = 64;
/** What is rarer than the rest of these is left out: it tells little, and costs as much. */
const coveredShare = 0.95;
/** Tasks after which what was counted weighs as much as what is believed without having counted. */
const halfTrusted = 16;
/** Never all: of two places that leave the grid alike, plain packing has the say. */
const mostTrust = 0.9;
/** It is told anew when this share of the demand has become other than was told. */
const newsworthy = 0.1;
/** Looked at after this share of all that was counted. */
const lookEvery = 0.1;

interface DemandClass {
  readonly key: string;
  readonly shape: Shape;
  count: number;
  /** Share of all when it was told last. */
  told: number;
}

export class Demand {
  private readonly classes = new Map<string, DemandClass>();
  /** By the key of a shape with its image, which is at hand. */
  private readonly known = new Map<string, DemandClass>();
  private counted = 0;
  private sinceLook = 0;
  private countedWhenTold = 0;
  private told: TypicalDemand = nothingKnown;

  get typical(): TypicalDemand {
    return this.told;
  }

  /** A task was accepted; `key`: its shape's. */
  note(key: string, shape: Shape): void {
    const { gpu } = shape.resources;
    // What names its very devices could have no others, whatever is kept free.
    if (gpu === undefined || gpu.kind === 'parts') return;
    this.classOf(key, shape).count += 1;
    this.counted += 1;
    this.sinceLook += 1;
    if (this.counted >= window || this.classes.size > keptClasses) this.fade();
    if (this.sinceLook < lookEvery * this.counted) return;
    this.sinceLook = 0;
    if (this.counted >= 2 * this.countedWhenTold || this.drift() > newsworthy) this.tell();
  }

  private classOf(key: string, shape: Shape): DemandClass {
    let found = this.known.get(key);
    if (found !== undefined) return found;
    const { kind, resources, constraints, needs } = normalized(shape);
    const bare = { kind, resources, constraints, ...(needs === undefined ? {} : { needs }) };
    const bareKey = shapeKey(bare);
    found = this.classes.get(bareKey);
    if (found === undefined) {
      found = { key: bareKey, shape: bare, count: 0, told: 0 };
      this.classes.set(bareKey, found);
    }
    if (this.known.size >= knownKeys) this.known.clear();
    this.known.set(key, found);
    return found;
  }

  private fade(): void {
    this.known.clear();
    this.counted = 0;
    for (const [at, each] of byCount(this.classes.values()).entries()) {
      each.count /= 2;
      if (each.count < 1 || at >= keptClasses) this.classes.delete(each.key);
      else this.counted += each.count;
    }
    this.countedWhenTold = Math.min(this.countedWhenTold, this.counted);
  }

  /** 0: as it was told; 1: nothing is. */
  private drift(): number {
    let gone = 1;
    let moved = 0;
    for (const { count, told } of this.classes.values()) {
      gone -= told;
      moved += Math.abs(count / this.counted - told);
    }
    return (moved + Math.max(0, gone)) / 2;
  }

  private tell(): void {
    this.countedWhenTold = this.counted;
    const chosen: DemandClass[] = [];
    let covered = 0;
    for (const each of byCount(this.classes.values())) {
      each.told = each.count / this.counted;
      if (covered >= coveredShare * this.counted || chosen.length >= typicalTasks) continue;
      chosen.push(each);
      covered += each.count;
    }
    this.told = {
      tasks: chosen.map(({ shape, count }) => ({ shape, share: count / covered })),
      trust: (mostTrust * this.counted) / (this.counted + halfTrusted),
    };
  }
}

function byCount(classes: Iterable<DemandClass>): DemandClass[] {
  return [...classes].sort((a, b) => b.count - a.count || (a.key < b.key ? -1 : 1));
}
