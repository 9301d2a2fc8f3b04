/**
 * The decision in words, in terms of each worker. Computed when asked, by the functions that place() itself uses:
 * what it says is what happens.
 *
 * 1. A worker that is not feasible has at least one reason; one that is has every score.
 * 2. The worker with the highest total (equals by the smaller id) is the one that place() takes, of those that it compares.
 */
import type { PlacementPolicy } from '@gryphgen/protocol';
import { nothingKnown, type TypicalDemand } from './demand.ts';
import type { Outlook } from './learn/finish-planner.ts';
import { type Placement, place } from './place.ts';
import { defaultPolicy } from './placement-policy.ts';
import { isFeasible, lackOf, reasonsOf } from './predicates.ts';
import { mostCompared } from './sample.ts';
import { scoresOf, totalOf } from './score.ts';
import { normalized, type Shape } from './shape.ts';
import type { WorkerView } from './worker-view.ts';

export interface WorkerDecision {
  /** The worker's id. */
  readonly worker: string;
  readonly name: string;
  /** Now, not ever. */
  readonly feasible: boolean;
  readonly reasons?: readonly string[];
  /** Each term in 0..1, unweighted. */
  readonly scores?: Readonly<Record<string, number>>;
  /** The weighted sum; missing on a worker that was not compared, of a large grid's when finishes are expected. */
  readonly total?: number;
  /** ms from now until it would start, and for fetch and run; where something is known of its class. */
  readonly startMs?: number;
  readonly takesMs?: number;
}

export interface Explanation {
  readonly decision: string;
  readonly workers: readonly WorkerDecision[];
  /** Where it fits nowhere now: the worker that lacks least, and what. */
  readonly nearest?: { readonly worker: string; readonly name: string; readonly reasons: readonly string[] };
}

/**
 * Workers in the order of their ids. `placement`: what place() says of them by this `demand` and `policy`, if it has been asked;
 * `outlooks`: what is expected on them, where that is known.
 */
export function explain(
  task: Shape,
  workers: readonly WorkerView[],
  demand: TypicalDemand = nothingKnown,
  policy: PlacementPolicy = defaultPolicy,
  placement: Placement = place(task, workers, demand, policy),
  outlooks: readonly Outlook[] = [],
): Explanation {
  const shape = normalized(task);
  const ordered = workers.toSorted((a, b) => (a.id < b.id ? -1 : 1));
  const byWorker = new Map(outlooks.map((outlook) => [outlook.worker, outlook]));
  const isPlanned = outlooks.some(({ total }) => total !== undefined);
  const decisions = ordered.map((worker) =>
    decisionOn(shape, worker, demand, policy, byWorker.get(worker.id), isPlanned),
  );
  const nearest = placement.kind === 'waiting' ? nearestOf(shape, ordered) : undefined;
  return {
    decision: inWords(placement, shape, ordered),
    workers: decisions,
    ...(nearest && { nearest }),
  };
}

function decisionOn(
  shape: Shape,
  worker: WorkerView,
  demand: TypicalDemand,
  policy: PlacementPolicy,
  outlook: Outlook | undefined,
  isPlanned: boolean,
): WorkerDecision {
  const { id, name, report } = worker;
  if (report === null) {
    return { worker: id, name, feasible: false, reasons: ['has not reported since the broker started'] };
  }
  const expected = outlook && { startMs: outlook.startMs, takesMs: outlook.takesMs };
  if (!isFeasible(shape, worker, report))
    return {
      worker: id,
      name,
      feasible: false,
      reasons: reasonsOf(shape, worker, report, 'now'),
      ...expected,
    };
  const scores = {
    ...scoresOf(shape, worker, report, demand),
    ...(outlook?.total !== undefined && { finish: outlook.score }),
  };
  // Where others are compared by their finish, too, a total without it would say nothing beside theirs.
  const total = outlook?.total ?? (isPlanned ? undefined : totalOf(shape, worker, report, demand, policy));
  return { worker: id, name, feasible: true, scores, ...(total !== undefined && { total }), ...expected };
}

/** What each score counts for in the totals by this policy; undefined where they do not add up so: another may have decided. */
export function weightsOf(
  workers: readonly WorkerDecision[],
  { weights, finishWeight }: PlacementPolicy,
): Readonly<Record<string, number>> | undefined {
  const scored = workers.find(({ scores, total }) => scores !== undefined && total !== undefined);
  if (scored?.scores === undefined || scored.total === undefined) return undefined;
  const found: Record<string, number> =
    scored.scores.finish === undefined
      ? weights
      : {
          ...Object.fromEntries(
            Object.entries(weights).map(([term, weight]) => [term, weight * (1 - finishWeight)]),
          ),
          finish: finishWeight,
        };
  let sum = 0;
  for (const [term, score] of Object.entries(scored.scores)) sum += score * (found[term] ?? 0);
  return Math.abs(sum - scored.total) < roundingOfNotes ? found : undefined;
}
/** Scores are kept in thousandths. */
const roundingOfNotes = 0.002;

/** Of those that may take it at some time. */
function nearestOf(shape: Shape, workers: readonly WorkerView[]): Explanation['nearest'] {
  let nearest: WorkerView | undefined;
  let least = Number.POSITIVE_INFINITY;
  for (const worker of workers) {
    const { report } = worker;
    if (report === null || !mayEver(shape, worker)) continue;
    const lack = lackOf(shape, worker, report, 'now');
    if (lack === 0 || lack >= least) continue;
    [nearest, least] = [worker, lack];
  }
  if (nearest?.report == null) return undefined;
  const { id, name, report } = nearest;
  return { worker: id, name, reasons: reasonsOf(shape, nearest, report, 'now') };
}

function inWords(placement: Placement, shape: Shape, workers: readonly WorkerView[]): string {
  switch (placement.kind) {
    case 'placed': {
      const { worker: id, reservation, total } = placement;
      const worker = workers.find((candidate) => candidate.id === id);
      const cards = reservation.devices.map(
        ({ uuid }) => worker?.report?.devices.find((device) => device.uuid === uuid)?.name ?? uuid,
      );
      const among =
        workers.length > mostCompared ? `, of ${workers.length} workers a sample was compared` : '';
      return `placed on ${worker?.name ?? id}${cards.length > 0 ? ` (${cards.join(', ')})` : ''}, total ${total.toFixed(3)}${among}`;
    }
    case 'waiting': {
      if (workers.length === 0) return 'waiting: no worker is known';
      const able = workers.filter((worker) => mayEver(shape, worker)).length;
      return `waiting: ${able} of ${workers.length} workers may take it later`;
    }
    case 'impossible':
      return `impossible: ${placement.failure.message}`;
  }
}

function mayEver(shape: Shape, worker: WorkerView): boolean {
  return worker.report === null || lackOf(shape, worker, worker.report, 'ever') === 0;
}
