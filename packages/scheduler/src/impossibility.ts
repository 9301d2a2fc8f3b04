/** The answer to a task that no known machine could take even when empty: a refusal that names the nearest. */
import { type Failure, failure } from '@gryphgen/protocol';
import { lackOf, reasonsOf } from './predicates.ts';
import type { Shape } from './shape.ts';
import type { WorkerView } from './worker-view.ts';

/** Undefined while some worker could ever take it, has not reported yet, or none is known at all. */
export function impossibility(shape: Shape, workers: readonly WorkerView[]): Failure | undefined {
  let nearest: WorkerView | undefined;
  let leastLack = Number.POSITIVE_INFINITY;
  for (const worker of workers) {
    if (worker.report === null) return undefined;
    const lack = lackOf(shape, worker, worker.report, 'ever');
    if (lack === 0) return undefined;
    if (lack > leastLack || (lack === leastLack && nearest !== undefined && nearest.id < worker.id)) continue;
    nearest = worker;
    leastLack = lack;
  }
  if (nearest?.report == null) return undefined;
  const reasons = reasonsOf(shape, nearest, nearest.report, 'ever').join('; ');
  const verdict =
    workers.length === 1
      ? `the only worker, ${nearest.name}, could not take it even when empty`
      : `none of ${workers.length} workers could take it even when empty; the nearest, ${nearest.name}`;
  return failure('rejected.impossible', `${verdict}: ${reasons}`);
}
