/**
 * Of a large grid the workers that a plan compares: it looks at each of them closely, and at no more than some tens. Those
 * that could take the task now with the highest total, its expected finish counted, and those that are busy and would run it fastest.
 *
 * 1. Out of those that a placement compares as well (sample.ts), at most `mostLooked`: what a worker scores is kept
 *    (placer.ts), and how long the task would take there costs a look at what is known of it, or else of its model.
 * 2. Bounded: `free` and `busy` workers, whatever the grid.
 */
import type { WorkerReport } from '@gryphgen/protocol';
import type { TypicalDemand } from '../demand.ts';
import type { PolicyInForce } from '../placement-policy.ts';
import type { Placer } from '../placer.ts';
import { lackOf } from '../predicates.ts';
import { normalized } from '../shape.ts';
import type { WorkerView } from '../worker-view.ts';
import { finishScore } from './finish-score.ts';
import type { Forecast, Foretold, RunsOf } from './forecast.ts';

const mostLooked = 512;
const free = 24;
const busy = 8;

interface Ranked {
  readonly view: WorkerView;
  /** The higher the better. */
  readonly rank: number;
}

export class Shortlist {
  private readonly placer: Placer;
  private readonly forecast: Forecast;
  private readonly demand: { readonly typical: TypicalDemand };
  private readonly policies: PolicyInForce;

  constructor(
    placer: Placer,
    forecast: Forecast,
    demand: { readonly typical: TypicalDemand },
    policies: PolicyInForce,
  ) {
    this.placer = placer;
    this.forecast = forecast;
    this.demand = demand;
    this.policies = policies;
  }

  /** `key`: its shape's. */
  of(task: Foretold, typicalMs: number, key: string, runsOf: RunsOf): readonly WorkerView[] {
    const { inForce } = this.policies;
    const { finishWeight } = inForce;
    const now: Ranked[] = [];
    const later: Ranked[] = [];
    const shape = normalized(task.shape);
    this.placer.compare(task.shape, key, this.demand.typical, inForce, mostLooked, (view, report, total) => {
      const takesMs = this.forecast.fetchMs(task, view) + fastestOf(task, view, report, runsOf);
      if (total === undefined) {
        const rank = -takesMs;
        if (
          takesMs < Number.POSITIVE_INFINITY &&
          isKept(later, rank, busy) &&
          lackOf(shape, view, report, 'ever') === 0
        )
          keep(later, { view, rank }, busy);
      } else {
        const rank = (1 - finishWeight) * total + finishWeight * finishScore(takesMs, typicalMs);
        if (isKept(now, rank, free)) keep(now, { view, rank }, free);
      }
    });
    return [...now, ...later].map(({ view }) => view);
  }
}

/** ms on the fastest of its devices, which of them are free, the plan sees; infinite where it has none. */
function fastestOf({ shape }: Foretold, view: WorkerView, { devices }: WorkerReport, runsOf: RunsOf): number {
  if (shape.resources.gpu === undefined) return runsOf(view, undefined);
  let runMs = Number.POSITIVE_INFINITY;
  for (const { uuid } of devices) runMs = Math.min(runMs, runsOf(view, uuid));
  return runMs;
}

function isKept(kept: readonly Ranked[], rank: number, most: number): boolean {
  return kept.length < most || (kept[most - 1] as Ranked).rank < rank;
}

/** The highest `most`, highest first; of equals those that came first. */
function keep(kept: Ranked[], one: Ranked, most: number): void {
  let at = kept.length === most ? most - 1 : kept.length;
  for (; at > 0 && (kept[at - 1] as Ranked).rank < one.rank; at -= 1) kept[at] = kept[at - 1] as Ranked;
  kept[at] = one;
}
