/**
 * Where a task ends first: wait + fetch + run, on each worker, and on each device that it may hold a part of. Of those
 * that could take it now the best goes by finish and, for a little, by the other terms; if another that is not free yet
 * is expected to end it clearly sooner, it waits for that one by choice.
 *
 * 1. Nothing is chosen but what is feasible; where nothing is expected of a task nothing is said, and `place` decides. Nobody waits
 *    by choice by what is hardly known.
 * 2. Who waits by choice stands in line before what is decided after it in this turn, so that a long queue uses every
 *    machine: tasks of one line cannot be told apart, and if any of them would be better off now, the first goes now.
 * 3. A try on a worker that is hardly known is bounded: by how much longer it may take, and by how often.
 * 4. Who is expected to take long lets shorter ones go first, but none that came more than `mostYieldMs` after it: the wait of
 *    all together is least when the shortest goes first, and nobody is to starve for it.
 */
import type { WorkerId } from '@gryphgen/protocol';
import { nothingKnown, type TypicalDemand } from '../demand.ts';
import { type Placement, placedOn } from '../place.ts';
import { defaultInForce, type PolicyInForce } from '../placement-policy.ts';
import { isFeasible } from '../predicates.ts';
import { shapeKey } from '../shape.ts';
import type { WorkerView } from '../worker-view.ts';
import { finishScore } from './finish-score.ts';
import type { Forecast, Foretold } from './forecast.ts';
import { KeptSeats, type Seat } from './kept-seats.ts';
import { Line, type Start } from './lines.ts';
import type { Shortlist } from './shortlist.ts';

type Placed = Extract<Placement, { kind: 'placed' }>;

/** Times in ms from now. */
export type FinishPlan =
  | {
      readonly kind: 'now';
      readonly placement: Placed;
      readonly finishMs: number;
      /** Of that, until what it needs is there. */
      readonly fetchMs: number;
      readonly tries: boolean;
    }
  /** It waits by choice: on `worker` it ends `finishMs` from now, on the best that could take it now `otherwiseMs`. */
  | {
      readonly kind: 'later';
      readonly worker: WorkerId;
      readonly startMs: number;
      readonly finishMs: number;
      readonly otherwiseMs: number;
    };

/** What a task would find on a worker. Times in ms from now. */
export interface Outlook {
  readonly worker: WorkerId;
  readonly startMs: number;
  /** Fetch and run. */
  readonly takesMs: number;
  /** The term `finish`, and the total with it; that of one that could take it now alone. */
  readonly score: number;
  readonly total: number | undefined;
}

/** Shorter runs are over before a wait for a better worker has paid. */
const leastRunMs = 1000;
/** Of questions to a model: those who have it are few, quickly looked through, and differ by more than those who run programs. */
const leastAskMs = 20;
/** Of one line, those of which it is looked for where they would go. */
export const looksInLine = 12;
const mostYieldMs = 10 * 60_000;
/** Of larger grids those on the shortlist are compared: a plan looks at each worker closely. */
const mostWorkers = 64;

interface Expected {
  readonly seat: Seat;
  /** Fetch and run. */
  readonly takesMs: number;
}

export class FinishPlanner {
  private readonly forecast: Forecast;
  private readonly demand: { readonly typical: TypicalDemand };
  private readonly policies: PolicyInForce;
  private readonly shortlist: Pick<Shortlist, 'of'> | null;
  private readonly seats = new KeptSeats();
  /** Of this turn. */
  private lines = new Map<WorkerId, Line>();

  /** `demand`: what the other terms go by. `shortlist`: of the views that are asked about; null: nothing is planned on large grids. */
  constructor(
    forecast: Forecast,
    demand: { readonly typical: TypicalDemand } = { typical: nothingKnown },
    policies = defaultInForce,
    shortlist: Pick<Shortlist, 'of'> | null = null,
  ) {
    this.forecast = forecast;
    this.demand = demand;
    this.policies = policies;
    this.shortlist = shortlist;
  }

  /** A new turn: who waited by choice decides anew. */
  begin(): void {
    this.lines.clear();
  }

  /** Something else was placed there or ended. */
  changed(worker: WorkerId): void {
    this.lines.delete(worker);
  }

  /** By how much later than it did it counts as having come: of two that wait, who so comes first goes first. */
  yieldsMs(task: Foretold): number {
    if (this.forecast.isGuessed(task)) return 0;
    const { yieldShare } = this.policies.inForce.corrections;
    return Math.min(mostYieldMs, yieldShare * (this.forecast.typicalMs(task) ?? 0));
  }

  /**
   * `queued`: tasks of its line, itself included. Undefined: none could take it now, or nothing is known of it that is
   * worth a plan. `mayWait` false: it goes now.
   */
  plan(task: Foretold, views: readonly WorkerView[], queued: number, mayWait = true): FinishPlan | undefined {
    const typicalMs = this.plannedMs(task);
    if (typicalMs === undefined) return undefined;
    const now: Expected[] = [];
    const later: Expected[] = [];
    for (const expected of this.expectedOn(task, views, typicalMs))
      for (const each of expected) (each.seat.total === undefined ? later : now).push(each);
    const first = this.bestNow(now, typicalMs);
    if (first === undefined) return undefined;
    const { corrections, waitGain } = this.policies.inForce;
    const worthTrying = this.worthTrying(task, now, corrections.tryCost * first.takesMs);
    if (worthTrying !== undefined) return this.goNow(task, worthTrying, typicalMs, true);
    if (mayWait && this.forecast.isWellKnown(task)) {
      const limitMs = waitGain * first.takesMs;
      const sooner = later.filter(({ takesMs }) => takesMs < limitMs);
      const waits = sooner.length === 0 ? undefined : this.wait(sooner, queued, limitMs, first.takesMs);
      if (waits !== undefined) return waits;
    }
    return this.goNow(task, first, typicalMs, false);
  }

  /** Of each worker that is compared the seat on which it would end first; nothing of those where that is not known. */
  outlooks(task: Foretold, views: readonly WorkerView[]): readonly Outlook[] {
    const typicalMs = this.plannedMs(task);
    if (typicalMs === undefined) return [];
    const found: Outlook[] = [];
    const alone = (view: WorkerView) => new Line(view, this.forecast.endings(view));
    for (const expected of this.expectedOn(task, views, typicalMs)) {
      const now = this.bestNow(
        expected.filter(({ seat }) => seat.total !== undefined),
        typicalMs,
      );
      const best = now === undefined ? soonest(expected, alone) : { expected: now, start: { inMs: 0 } };
      if (best === undefined) continue;
      const { seat, takesMs } = best.expected;
      const score = finishScore(takesMs, typicalMs);
      const total = now === undefined ? undefined : this.totalWith(now, typicalMs);
      found.push({ worker: seat.view.id, startMs: best.start.inMs, takesMs, score, total });
    }
    return found;
  }

  /** What is usual of it; undefined where that is not known, or where no plan is worth it. */
  private plannedMs(task: Foretold): number | undefined {
    const typicalMs = this.forecast.typicalMs(task);
    const leastMs = task.shape.model === undefined ? leastRunMs : leastAskMs;
    return typicalMs === undefined || typicalMs < leastMs ? undefined : typicalMs;
  }

  /** By worker, of those that are compared and may take it now or when there is room. */
  private expectedOn(
    task: Foretold,
    views: readonly WorkerView[],
    typicalMs: number,
  ): readonly (readonly Expected[])[] {
    const runsOf = this.forecast.runsOf(task);
    if (runsOf === undefined) return [];
    const key = shapeKey(task.shape);
    const seatsOn = this.seats.of(task.shape, key, this.demand.typical, this.policies.inForce);
    const compared =
      views.length <= mostWorkers ? views : (this.shortlist?.of(task, typicalMs, key, runsOf) ?? []);
    return compared.map((view) => {
      const seats = seatsOn(view);
      if (seats.length === 0) return [];
      const fetchMs = this.forecast.fetchMs(task, view);
      return seats.map((seat) => ({ seat, takesMs: fetchMs + runsOf(view, seat.device) }));
    });
  }

  /** The soonest of them: what may be best is known first. */
  private worthTrying(task: Foretold, now: readonly Expected[], limitMs: number): Expected | undefined {
    let soonest: Expected | undefined;
    for (const each of now) {
      const { seat, takesMs } = each;
      if (takesMs > limitMs || (soonest !== undefined && takesMs >= soonest.takesMs)) continue;
      if (this.forecast.isWorthTrying(task, seat.view, seat.device)) soonest = each;
    }
    return soonest;
  }

  /** It is looked at again before it is taken, whatever was kept of it. */
  private goNow(
    task: Foretold,
    expected: Expected,
    typicalMs: number,
    tries: boolean,
  ): FinishPlan | undefined {
    const { view, report, shape } = expected.seat;
    if (!isFeasible(shape, view, report)) return undefined;
    const total = this.totalWith(expected, typicalMs);
    const placement = placedOn(shape, view, report, nothingKnown, total);
    if (tries) this.forecast.tried(task);
    const fetchMs = this.forecast.fetchMs(task, view);
    return { kind: 'now', placement, finishMs: expected.takesMs, fetchMs, tries };
  }

  /** Where all of the line would rather wait; undefined: one of them would not end before the limit. */
  private wait(
    sooner: readonly Expected[],
    queued: number,
    limitMs: number,
    otherwiseMs: number,
  ): FinishPlan | undefined {
    const touched = new Map<WorkerId, Line>();
    let plan: FinishPlan | undefined;
    for (let each = 0; each < Math.min(queued, looksInLine); each += 1) {
      const best = soonest(sooner, (view) => touched.get(view.id) ?? this.lineOf(view));
      if (best === undefined || best.finishMs >= limitMs) return undefined;
      const { start, expected, finishMs } = best;
      const { view } = expected.seat;
      const line = touched.get(view.id) ?? this.lineOf(view).copy();
      touched.set(view.id, line);
      line.add({ inMs: finishMs, reservation: start.reservation });
      plan ??= {
        kind: 'later',
        worker: view.id,
        startMs: start.inMs,
        finishMs,
        otherwiseMs,
      };
    }
    for (const [worker, line] of touched) this.lines.set(worker, line);
    return plan;
  }

  /** Equals by the smaller id, as in `place`. */
  private bestNow(now: readonly Expected[], typicalMs: number): Expected | undefined {
    let best: Expected | undefined;
    let highest = -1;
    for (const each of now) {
      const { id } = each.seat.view;
      const total = this.totalWith(each, typicalMs);
      if (total < highest || (total === highest && best !== undefined && best.seat.view.id <= id)) continue;
      best = each;
      highest = total;
    }
    return best;
  }

  /** 0..1: finish, and for the rest the other terms. Of one that could take it now. */
  private totalWith({ seat: { total = 0 }, takesMs }: Expected, typicalMs: number): number {
    const { finishWeight } = this.policies.inForce;
    return (1 - finishWeight) * total + finishWeight * finishScore(takesMs, typicalMs);
  }

  private lineOf(view: WorkerView): Line {
    let line = this.lines.get(view.id);
    if (line === undefined) {
      line = new Line(view, this.forecast.endings(view));
      this.lines.set(view.id, line);
    }
    return line;
  }

  /** Of whom something is kept that is not so; undefined is the good answer. */
  mistakenOf(): WorkerView | undefined {
    return this.seats.mistakenOf();
  }
}

interface Sooner {
  readonly expected: Expected;
  readonly start: Start;
  readonly finishMs: number;
}

/** Where it would end first. */
function soonest(among: readonly Expected[], lineOf: (view: WorkerView) => Line): Sooner | undefined {
  let best: Sooner | undefined;
  for (const expected of among) {
    const { seat, takesMs } = expected;
    if (best !== undefined && takesMs >= best.finishMs) continue;
    const start = lineOf(seat.view).startOf(seat.shape);
    if (start === undefined) continue;
    const finishMs = start.inMs + takesMs;
    if (best === undefined || finishMs < best.finishMs) best = { expected, start, finishMs };
  }
  return best;
}
