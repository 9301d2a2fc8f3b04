/**
 * `place`, remembering: what a worker scored for a shape is kept until the worker, what is known of the demand or the policy changes.
 *
 * 1. Answers exactly what `place` answers: what is kept is what `place` would find now (`versionOf`), and a winner is
 *    looked at again before it is taken, so an error here could cost quality and never correctness.
 * 2. Bounded: `keptCells` scores. The shapes asked for least recently go first.
 */
import type { PlacementPolicy } from '@gryphgen/protocol';
import { nothingKnown, type TypicalDemand } from './demand.ts';
import { notPlaced, type Placement, place, placedOn } from './place.ts';
import { defaultPolicy } from './placement-policy.ts';
import { isFeasible } from './predicates.ts';
import { RecentMap } from './recency.ts';
import { enough, isWithin, looksOf, lotOf } from './sample.ts';
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
  private readonly rows = new RecentMap<Row>(keptShapes);
  private readonly most: number;
  private demand: TypicalDemand = nothingKnown;
  private policy: PlacementPolicy = defaultPolicy;
  /** What stands at each place, at which version, and how often that was found to be something else. */
  private views: WorkerView[] = [];
  private versions = new Float64Array(0);
  private lots = new Float64Array(0);
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
    policy: PlacementPolicy = defaultPolicy,
  ): Placement {
    this.follow(workers, demand, policy);
    const { shape, totals, asOf } = this.rowOf(task, key);
    const { changes, lots } = this;
    let best: WorkerView | undefined;
    let bestTotal = NOT_FEASIBLE;
    let feasible = 0;
    let from = 0;
    for (const upTo of looksOf(workers.length)) {
      for (let at = 0; at < workers.length; at += 1) {
        if (!isWithin(lots[at] as number, from, upTo)) continue;
        if (asOf[at] !== changes[at]) {
          asOf[at] = changes[at] as number;
          totals[at] = this.score(shape, workers[at] as WorkerView);
        }
        const total = totals[at] as number;
        if (total === NOT_FEASIBLE) continue;
        feasible += 1;
        if (total < bestTotal) continue;
        const worker = workers[at] as WorkerView;
        if (total === bestTotal && best !== undefined && best.id < worker.id) continue;
        best = worker;
        bestTotal = total;
      }
      if (feasible >= enough) break;
      from = upTo;
    }
    if (best === undefined) return notPlaced(shape, workers);
    const { report } = best;
    if (report === null || !isFeasible(shape, best, report)) return place(task, workers, demand, policy);
    return placedOn(shape, best, report, demand, bestTotal);
  }

  private score(shape: Shape, worker: WorkerView): number {
    const { report } = worker;
    if (report === null || !isFeasible(shape, worker, report)) return NOT_FEASIBLE;
    return totalOf(shape, worker, report, this.demand, this.policy);
  }

  /** Notes which places have changed since the last call. */
  private follow(workers: readonly WorkerView[], demand: TypicalDemand, policy: PlacementPolicy): void {
    if (demand !== this.demand || policy !== this.policy) {
      this.demand = demand;
      this.policy = policy;
      this.rows.clear();
    }
    if (this.changes.length < workers.length) this.grow(workers.length);
    const { views, versions, changes, lots } = this;
    for (let at = 0; at < workers.length; at += 1) {
      const worker = workers[at] as WorkerView;
      const version = versionOf(worker);
      if (views[at] === worker && versions[at] === version) continue;
      if (views[at]?.id !== worker.id) lots[at] = lotOf(worker.id);
      views[at] = worker;
      versions[at] = version;
      changes[at] = (changes[at] as number) + 1;
    }
    views.length = workers.length;
  }

  private grow(workers: number): void {
    const room = Math.max(16, 2 ** Math.ceil(Math.log2(workers)));
    this.versions = grown(this.versions, new Float64Array(room));
    this.lots = grown(this.lots, new Float64Array(room));
    this.changes = grown(this.changes, new Uint32Array(room));
    this.rows.clear();
  }

  private rowOf(task: Shape, key: string): Row {
    let row = this.rows.use(key);
    if (row === undefined) {
      const room = this.changes.length;
      this.rows.shrink(Math.max(1, Math.floor(this.most / Math.max(1, room))) - 1);
      row = { shape: normalized(task), totals: new Float64Array(room), asOf: new Uint32Array(room) };
      this.rows.add(key, row);
    }
    return row;
  }
}

function grown<T extends Float64Array | Uint32Array>(from: T, into: T): T {
  into.set(from);
  return into;
}
