/**
 * The decision in words, in terms of each worker. Computed when asked, by the functions that place() itself uses:
 * what it says is what happens.
 *
 * 1. A worker that is not feasible has at least one reason; one that is has every score.
 * 2. The worker with the highest total (equals by the smaller id) is the one that place() takes.
 */

import { type Placement, place } from './place.ts';
import { isFeasible, lackOf, reasonsOf } from './predicates.ts';
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
  /** The weighted sum. */
  readonly total?: number;
}

/** Workers in the order of their ids. `placement`: what place() says of them, if it has been asked. */
export function explain(
  task: Shape,
  workers: readonly WorkerView[],
  placement: Placement = place(task, workers),
): { readonly decision: string; readonly workers: readonly WorkerDecision[] } {
  const shape = normalized(task);
  const ordered = workers.toSorted((a, b) => (a.id < b.id ? -1 : 1));
  return {
    decision: inWords(placement, shape, ordered),
    workers: ordered.map((worker) => decisionOn(shape, worker)),
  };
}

function decisionOn(shape: Shape, worker: WorkerView): WorkerDecision {
  const { id, name, report } = worker;
  if (report === null) {
    return { worker: id, name, feasible: false, reasons: ['has not reported since the broker started'] };
  }
  if (!isFeasible(shape, worker, report))
    return { worker: id, name, feasible: false, reasons: reasonsOf(shape, worker, report, 'now') };
  const scores = scoresOf(shape, worker, report);
  return { worker: id, name, feasible: true, scores, total: totalOf(shape, worker, report) };
}

function inWords(placement: Placement, shape: Shape, workers: readonly WorkerView[]): string {
  switch (placement.kind) {
    case 'placed': {
      const { worker: id, reservation, total } = placement;
      const worker = workers.find((candidate) => candidate.id === id);
      const cards = reservation.devices.map(
        ({ uuid }) => worker?.report?.devices.find((device) => device.uuid === uuid)?.name ?? uuid,
      );
      return `placed on ${worker?.name ?? id}${cards.length > 0 ? ` (${cards.join(', ')})` : ''}, total ${total.toFixed(3)}`;
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
