/**
 * `place`, remembering: what a worker scored for a shape is kept until the worker or what is known of the demand changes.
 *
 * 1. Answers exactly what `place` answers: what is kept is what `place` would find now (`versionOf`), and a winner is
 *    looked at again before it is taken, so an error here could cost quality and never correctness.
 * 2. Bounded: `keptCells` scores. The shapes asked for least recently go first.
 */
import { nothingKnown, type TypicalDemand } from './demand.ts';
import { notPlaced, type Placement, place, placedOn } from './place.ts';
import { isFeasible } from './predicates.ts';
import { totalOf } from './score.ts';
import { normalized, type Shape } from './shape.ts';
import { versionOf, type WorkerView } from './worker-view.ts';

/** Of 12 B each: 200 shapes on 10,000 workers. */
const keptCells = 2 ** 21;
/** Shapes that a small grid keeps: each has its shape, too. */
const keptShapes = 4096;

const NOT_FEASIBLE = -1;

interface Row {
  readonly shape: Shape;
  /** By the place of the worker among all: what it scored, and the change of that place after which it did. */
  totals: Float64Array;
  asOf: Uint32Array;
}

export class Placer {
  /** By shape key, least recently asked for first. */
  private readonly rows = new Map<string, Row>();
  private readonly most: number;
  private demand: TypicalDemand = nothingKnown;
  /** What stands at each place, at which version, and how often that was found to be something else. */
  private views: WorkerView[] = [];
  private versions = new Float64Array(0);
  private changes = new Uint32Array(0);

  /** `most`: scores kept. */
  constructor(most = keptCells) {
    this.most = most;
  }

  /** `key`: the shape's (shapeKey). Workers keep their places in the list as far as may be: who moves is scored again. */
  place(
    task: Shape,
    key: string,
    workers: readonly WorkerView[],
    demand: TypicalDemand = nothingKnown,
  ): Placement {
    this.follow(workers, demand);
    const { shape, totals, asOf } = this.rowOf(task, key);
    const { changes } = this;
    let best: WorkerView | undefined;
    let bestTotal = NOT_FEASIBLE;
    for (let at = 0; at < workers.length; at += 1) {
      if (asOf[at] !== changes[at]) {
        asOf[at] = changes[at] as number;
        totals[at] = this.score(shape, workers[at] as WorkerView);
      }
      const total = totals[at] as number;
      if (total < bestTotal || total === NOT_FEASIBLE) continue;
      const worker = workers[at] as WorkerView;
      if (total === bestTotal && best !== undefined && best.id < worker.id) continue;
      best = worker;
      bestTotal = total;
    }
    if (best === undefined) return notPlaced(shape, workers);
    const { report } = best;
    if (report === null || !isFeasible(shape, best, report)) return place(task, workers, demand);
    return placedOn(shape, best, report, demand, bestTotal);
  }

  private score(shape: Shape, worker: WorkerView): number {
    const { report } = worker;
    if (report === null || !isFeasible(shape, worker, report)) return NOT_FEASIBLE;
    return totalOf(shape, worker, report, this.demand);
  }

  /** Notes which places have changed since the last call. */
  private follow(workers: readonly WorkerView[], demand: TypicalDemand): void {
    if (demand !== this.demand) {
      this.demand = demand;
      this.rows.clear();
    }
    if (this.changes.length < workers.length) this.grow(workers.length);
    const { views, versions, changes } = this;
    for (let at = 0; at < workers.length; at += 1) {
      const worker = workers[at] as WorkerView;
      const version = versionOf(worker);
      if (views[at] === worker && versions[at] === version) continue;
      views[at] = worker;
      versions[at] = version;
      changes[at] = (changes[at] as number) + 1;
    }
    views.length = workers.length;
  }

  private grow(workers: number): void {
    const room = Math.max(16, 2 ** Math.ceil(Math.log2(workers)));
    this.versions = grown(this.versions, new Float64Array(room));
    this.changes = grown(this.changes, new Uint32Array(room));
    this.rows.clear();
  }

  private rowOf(task: Shape, key: string): Row {
    let row = this.rows.get(key);
    if (row === undefined) {
      const room = this.changes.length;
      const atMost = Math.max(1, Math.min(keptShapes, Math.floor(this.most / Math.max(1, room))));
      for (const oldest of this.rows.keys()) {
        if (this.rows.size < atMost) break;
        this.rows.delete(oldest);
      }
      row = { shape: normalized(task), totals: new Float64Array(room), asOf: new Uint32Array(room) };
    } else this.rows.delete(key);
    this.rows.set(key, row);
    return row;
  }
}

function grown<T extends Float64Array | Uint32Array>(from: T, into: T): T {
  into.set(from);
  return into;
}
