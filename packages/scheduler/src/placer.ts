/**
 * `place`, remembering: what a worker scored for a shape is kept until the worker, what is known of the demand or the policy changes.
 *
 * 1. Answers exactly what `place` answers: what is kept is what `place` would find now (roster.ts), and a winner is
 *    looked at again before it is taken, so an error here could cost quality and never correctness (`mistakenOf`).
 * 2. Bounded: `keptCells` scores. The shapes asked for least recently go first.
 * 3. Workers that have not changed are not touched: one that is compared costs some reads of arrays.
 */
import type { PlacementPolicy, WorkerReport } from '@gryphgen/protocol';
import { nothingKnown, type TypicalDemand } from './demand.ts';
import { notPlaced, type Placement, place, placedOn } from './place.ts';
import { defaultPolicy } from './placement-policy.ts';
import { isFeasible } from './predicates.ts';
import { RecentMap } from './recency.ts';
import type { Roster } from './roster.ts';
import { enough, looksOf, mostCompared } from './sample.ts';
import { totalOf } from './score.ts';
import { normalized, type Shape } from './shape.ts';
import type { WorkerView } from './worker-view.ts';

/** Of 12 B each: 200 shapes on 10,000 workers. */
const keptCells = 2 ** 21;
/** Shapes that a small grid keeps: each has its shape, too. */
const keptShapes = 4096;

const NOT_FEASIBLE = -1;

interface Row {
  readonly shape: Shape;
  /** By the worker's column: what it scored, and after how many changes of that column. */
  readonly totals: Float64Array;
  readonly asOf: Uint32Array;
}

export class Placer {
  /** By shape key, least recently asked for first. */
  private readonly rows = new RecentMap<Row>(keptShapes);
  private readonly most: number;
  private demand: TypicalDemand = nothingKnown;
  private policy: PlacementPolicy = defaultPolicy;
  /** Of the rows. */
  private width = 0;
  private readonly roster: Roster;

  /** `most`: scores kept. */
  constructor(roster: Roster, most = keptCells) {
    this.roster = roster;
    this.most = most;
  }

  /** `key`: the shape's (shapeKey). */
  place(
    task: Shape,
    key: string,
    demand: TypicalDemand = nothingKnown,
    policy: PlacementPolicy = defaultPolicy,
  ): Placement {
    const { views, inColumn, order, lots, changes } = this.roster;
    this.keepFor(demand, policy);
    const { shape, totals, asOf } = this.rowOf(task, key);
    let best: WorkerView | undefined;
    let bestTotal = NOT_FEASIBLE;
    let feasible = 0;
    let at = 0;
    for (const upTo of looksOf(views.length)) {
      for (; at < views.length && (lots[at] as number) < upTo; at += 1) {
        const column = order[at] as number;
        if (asOf[column] !== changes[column]) {
          asOf[column] = changes[column] as number;
          totals[column] = this.score(shape, inColumn[column] as WorkerView);
        }
        const total = totals[column] as number;
        if (total === NOT_FEASIBLE) continue;
        feasible += 1;
        if (total < bestTotal) continue;
        const worker = inColumn[column] as WorkerView;
        if (total === bestTotal && best !== undefined && best.id < worker.id) continue;
        best = worker;
        bestTotal = total;
      }
      if (feasible >= enough) break;
    }
    if (best === undefined) return notPlaced(shape, views);
    const { report } = best;
    if (report === null || !isFeasible(shape, best, report)) return place(task, views, demand, policy);
    return placedOn(shape, best, report, demand, bestTotal);
  }

  /**
   * Of those that are compared first, `most` about, each with its total, undefined where it cannot take it now; on with more
   * while none could. `seen` changes no worker.
   */
  compare(
    task: Shape,
    key: string,
    demand: TypicalDemand,
    policy: PlacementPolicy,
    most: number,
    seen: (worker: WorkerView, report: WorkerReport, total: number | undefined) => void,
  ): void {
    const { views, inColumn, order, changes } = this.roster;
    this.keepFor(demand, policy);
    const { shape, totals, asOf } = this.rowOf(task, key);
    let feasible = 0;
    for (let at = 0; at < views.length && (at < most || (feasible === 0 && at < mostCompared)); at += 1) {
      const column = order[at] as number;
      const worker = inColumn[column] as WorkerView;
      if (worker.report === null) continue;
      if (asOf[column] !== changes[column]) {
        asOf[column] = changes[column] as number;
        totals[column] = this.score(shape, worker);
      }
      const total = totals[column] as number;
      if (total !== NOT_FEASIBLE) feasible += 1;
      seen(worker, worker.report, total === NOT_FEASIBLE ? undefined : total);
    }
  }

  /** Of whom something is kept that is not so, after a full look; undefined is the good answer. */
  mistakenOf(): WorkerView | undefined {
    const { inColumn, changes } = this.roster;
    for (const { shape, totals, asOf } of this.rows.values()) {
      const found = inColumn.find(
        (worker, column) =>
          worker !== undefined &&
          asOf[column] === changes[column] &&
          totals[column] !== this.score(shape, worker),
      );
      if (found !== undefined) return found;
    }
    return undefined;
  }

  private score(shape: Shape, worker: WorkerView): number {
    const { report } = worker;
    if (report === null || !isFeasible(shape, worker, report)) return NOT_FEASIBLE;
    return totalOf(shape, worker, report, this.demand, this.policy);
  }

  /** What was found under another demand, another policy or in narrower rows is of no use any more. */
  private keepFor(demand: TypicalDemand, policy: PlacementPolicy): void {
    const { width } = this.roster;
    if (demand === this.demand && policy === this.policy && width === this.width) return;
    this.demand = demand;
    this.policy = policy;
    this.width = width;
    this.rows.clear();
  }

  private rowOf(task: Shape, key: string): Row {
    let row = this.rows.use(key);
    if (row === undefined) {
      const { width } = this;
      this.rows.shrink(Math.max(1, Math.floor(this.most / width)) - 1);
      row = { shape: normalized(task), totals: new Float64Array(width), asOf: new Uint32Array(width) };
      this.rows.add(key, row);
    }
    return row;
  }
}
