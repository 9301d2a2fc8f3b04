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
import type { DeviceUuid, WorkerId, WorkerReport } from '@gryphgen/protocol';
import { nothingKnown, type TypicalDemand } from '../demand.ts';
import { isHosted } from '../hosting.ts';
import { ownsShard } from '../owning.ts';
import { type Placement, place } from '../place.ts';
import { defaultInForce, type PolicyInForce } from '../placement-policy.ts';
import { isFeasible } from '../predicates.ts';
import { totalOf } from '../score.ts';
import { normalized, type Shape } from '../shape.ts';
import type { WorkerView } from '../worker-view.ts';
import { finishScore } from './finish-score.ts';
import type { Forecast, Foretold } from './forecast.ts';
import { Line, type Start } from './lines.ts';
import type { Shortlist } from './shortlist.ts';

type Placed = Extract<Placement, { kind: 'placed' }>;

/** Times in ms from now. */
export type FinishPlan =
  | { readonly kind: 'now'; readonly placement: Placed; readonly finishMs: number; readonly tries: boolean }
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
/** How many times longer a try may take than what is best. */
const mostTryCost = 3;
/** So many times what a task takes it lets others go first that came after it and take nothing. */
const yieldShare = 4;
const mostYieldMs = 10 * 60_000;
/** Of larger grids those on the shortlist are compared: a plan looks at each worker closely. */
const mostWorkers = 64;

interface Seat {
  readonly view: WorkerView;
  readonly report: WorkerReport;
  /** That asks for this device, if there is a choice. */
  readonly shape: Shape;
  readonly device: DeviceUuid | undefined;
  /** Fetch and run. */
  readonly takesMs: number;
}

export class FinishPlanner {
  private readonly forecast: Forecast;
  private readonly demand: { readonly typical: TypicalDemand };
  private readonly policies: PolicyInForce;
  private readonly shortlist: Pick<Shortlist, 'of'> | null;
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
    return Math.min(mostYieldMs, yieldShare * (this.forecast.typicalMs(task) ?? 0));
  }

  /**
   * `queued`: tasks of its line, itself included. Undefined: none could take it now, or nothing is known of it that is
   * worth a plan. `mayWait` false: it goes now.
   */
  plan(task: Foretold, views: readonly WorkerView[], queued: number, mayWait = true): FinishPlan | undefined {
    const typicalMs = this.plannedMs(task);
    if (typicalMs === undefined) return undefined;
    const shape = normalized(task.shape);
    const now: Seat[] = [];
    const later: Seat[] = [];
    for (const view of this.planned(task, views, typicalMs)) {
      if (view.report === null || !mayTake(shape, view)) continue;
      for (const seat of this.seatsOn(task, shape, view, view.report)) {
        (isFeasible(seat.shape, view, seat.report) ? now : later).push(seat);
      }
    }
    const first = this.bestNow(now, typicalMs);
    if (first === undefined) return undefined;
    const worthTrying = this.worthTrying(task, now, mostTryCost * first.takesMs);
    if (worthTrying !== undefined) return this.goNow(task, worthTrying, typicalMs, true);
    if (mayWait && this.forecast.isWellKnown(task)) {
      const limitMs = this.policies.inForce.waitGain * first.takesMs;
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
    const shape = normalized(task.shape);
    const found: Outlook[] = [];
    for (const view of this.planned(task, views, typicalMs)) {
      const { report } = view;
      if (report === null || !mayTake(shape, view)) continue;
      const seats = this.seatsOn(task, shape, view, report);
      const now = this.bestNow(
        seats.filter((seat) => isFeasible(seat.shape, view, report)),
        typicalMs,
      );
      const alone = () => new Line(view, this.forecast.endings(view));
      const best = now === undefined ? soonest(seats, alone) : { seat: now, start: { inMs: 0 } };
      if (best === undefined) continue;
      const { seat, start } = best;
      const score = finishScore(seat.takesMs, typicalMs);
      const total = now === undefined ? undefined : this.totalWith(now, typicalMs);
      found.push({ worker: view.id, startMs: start.inMs, takesMs: seat.takesMs, score, total });
    }
    return found;
  }

  /** What is usual of it; undefined where that is not known, or where no plan is worth it. */
  private plannedMs(task: Foretold): number | undefined {
    const typicalMs = this.forecast.typicalMs(task);
    const leastMs = task.shape.model === undefined ? leastRunMs : leastAskMs;
    return typicalMs === undefined || typicalMs < leastMs ? undefined : typicalMs;
  }

  private planned(task: Foretold, views: readonly WorkerView[], typicalMs: number): readonly WorkerView[] {
    return views.length <= mostWorkers ? views : (this.shortlist?.of(task, typicalMs) ?? []);
  }

  /** The soonest of them: what may be best is known first. */
  private worthTrying(task: Foretold, now: readonly Seat[], limitMs: number): Seat | undefined {
    let soonest: Seat | undefined;
    for (const seat of now) {
      if (seat.takesMs > limitMs || (soonest !== undefined && seat.takesMs >= soonest.takesMs)) continue;
      if (this.forecast.isWorthTrying(task, seat.view, seat.device)) soonest = seat;
    }
    return soonest;
  }

  private goNow(task: Foretold, seat: Seat, typicalMs: number, tries: boolean): FinishPlan {
    const placement = place(seat.shape, [seat.view]);
    if (placement.kind !== 'placed') throw new Error(`${seat.view.id} is feasible and does not take it`);
    if (tries) this.forecast.tried(task);
    const total = this.totalWith(seat, typicalMs);
    return { kind: 'now', placement: { ...placement, total }, finishMs: seat.takesMs, tries };
  }

  /** Where all of the line would rather wait; undefined: one of them would not end before the limit. */
  private wait(
    seats: readonly Seat[],
    queued: number,
    limitMs: number,
    otherwiseMs: number,
  ): FinishPlan | undefined {
    const touched = new Map<WorkerId, Line>();
    let plan: FinishPlan | undefined;
    for (let each = 0; each < Math.min(queued, looksInLine); each += 1) {
      const best = soonest(seats, (view) => touched.get(view.id) ?? this.lineOf(view));
      if (best === undefined || best.finishMs >= limitMs) return undefined;
      const { start, seat, finishMs } = best;
      const line = touched.get(seat.view.id) ?? this.lineOf(seat.view).copy();
      touched.set(seat.view.id, line);
      line.add({ inMs: finishMs, reservation: start.reservation });
      plan ??= {
        kind: 'later',
        worker: seat.view.id,
        startMs: start.inMs,
        finishMs,
        otherwiseMs,
      };
    }
    for (const [worker, line] of touched) this.lines.set(worker, line);
    return plan;
  }

  /** Equals by the smaller id, as in `place`. */
  private bestNow(seats: readonly Seat[], typicalMs: number): Seat | undefined {
    let best: Seat | undefined;
    let highest = -1;
    for (const seat of seats) {
      const { view } = seat;
      const total = this.totalWith(seat, typicalMs);
      if (total < highest || (total === highest && best !== undefined && best.view.id <= view.id)) continue;
      best = seat;
      highest = total;
    }
    return best;
  }

  /** 0..1: finish, and for the rest the other terms. */
  private totalWith({ shape, view, report, takesMs }: Seat, typicalMs: number): number {
    const policy = this.policies.inForce;
    const others = totalOf(shape, view, report, this.demand.typical, policy);
    return (1 - policy.finishWeight) * others + policy.finishWeight * finishScore(takesMs, typicalMs);
  }

  private lineOf(view: WorkerView): Line {
    let line = this.lines.get(view.id);
    if (line === undefined) {
      line = new Line(view, this.forecast.endings(view));
      this.lines.set(view.id, line);
    }
    return line;
  }

  private seatsOn(task: Foretold, shape: Shape, view: WorkerView, report: WorkerReport): Seat[] {
    const seats: Seat[] = [];
    const fetchMs = this.forecast.fetchMs(task, view);
    const { gpu } = shape.resources;
    const add = (of: Shape, device: DeviceUuid | undefined): void => {
      const runMs = this.forecast.runMs(task, view, device);
      if (runMs !== undefined) seats.push({ view, report, shape: of, device, takesMs: fetchMs + runMs });
    };
    if (gpu === undefined) add(shape, undefined);
    else if (gpu.kind === 'parts') add(shape, gpu.parts[0]?.uuid);
    else if (gpu.kind === 'whole' && gpu.count > 1) add(shape, report.devices[0]?.uuid);
    else
      for (const { uuid } of report.devices) {
        if (gpu.uuid !== undefined && gpu.uuid !== uuid) continue;
        add({ ...shape, resources: { ...shape.resources, gpu: { ...gpu, uuid } } }, uuid);
      }
    return seats;
  }
}

/** Now, or when there is room. */
function mayTake(shape: Shape, view: WorkerView): boolean {
  return view.connected && !view.draining && isHosted(shape, view) && ownsShard(shape, view);
}

interface Sooner {
  readonly seat: Seat;
  readonly start: Start;
  readonly finishMs: number;
}

/** Where it would end first. */
function soonest(seats: readonly Seat[], lineOf: (view: WorkerView) => Line): Sooner | undefined {
  let best: Sooner | undefined;
  for (const seat of seats) {
    if (best !== undefined && seat.takesMs >= best.finishMs) continue;
    const start = lineOf(seat.view).startOf(seat.shape);
    if (start === undefined) continue;
    const finishMs = start.inMs + seat.takesMs;
    if (best === undefined || finishMs < best.finishMs) best = { seat, start, finishMs };
  }
  return best;
}
