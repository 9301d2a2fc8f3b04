/**
 * Where a task goes: pure, over what the broker knows of its workers at this moment.
 *
 * 1. Placed only where every predicate holds against the ledger; of those the highest total, equals by the smaller id. Of
 *    very many workers not all are compared (sample.ts).
 * 2. The answer does not depend on the order of the workers.
 * 3. `impossible` only when every worker has reported and none could take it even when empty: refusing is for good,
 *    waiting is not.
 */
import type {
  DeviceShare,
  Failure,
  PlacementPolicy,
  Reservation,
  WorkerId,
  WorkerReport,
} from '@gryphgen/protocol';
import { nothingKnown, type TypicalDemand } from './demand.ts';
import { devicesWanted, nextForWhole } from './device-fit.ts';
import { fitOn } from './fit.ts';
import { impossibility } from './impossibility.ts';
import { defaultPolicy } from './placement-policy.ts';
import { isFeasible } from './predicates.ts';
import { enough, isWithin, looksOf } from './sample.ts';
import { totalOf } from './score.ts';
import { normalized, type Shape } from './shape.ts';
import type { WorkerView } from './worker-view.ts';

export type Placement =
  | {
      readonly kind: 'placed';
      readonly worker: WorkerId;
      readonly reservation: Reservation;
      readonly total: number;
    }
  /** A worker could take it, or has not been heard yet; now none can. */
  | { readonly kind: 'waiting' }
  | { readonly kind: 'impossible'; readonly failure: Failure };

export function place(
  task: Shape,
  workers: readonly WorkerView[],
  demand: TypicalDemand = nothingKnown,
  policy: PlacementPolicy = defaultPolicy,
): Placement {
  const shape = normalized(task);
  let best: WorkerView | undefined;
  let bestReport: WorkerReport | undefined;
  let bestTotal = -1;
  let feasible = 0;
  let from = 0;
  const looks = looksOf(workers.length);
  for (const upTo of looks) {
    for (const worker of workers) {
      const { report } = worker;
      if (looks.length > 1 && !isWithin(worker.lot, from, upTo)) continue;
      if (report === null || !isFeasible(shape, worker, report)) continue;
      feasible += 1;
      const total = totalOf(shape, worker, report, demand, policy);
      if (total < bestTotal || (total === bestTotal && best !== undefined && best.id < worker.id)) continue;
      best = worker;
      bestReport = report;
      bestTotal = total;
    }
    if (feasible >= enough) break;
    from = upTo;
  }
  if (best !== undefined && bestReport !== undefined)
    return placedOn(shape, best, bestReport, demand, bestTotal);
  return notPlaced(shape, workers);
}

/** `total`: of the worker, which is feasible now. */
export function placedOn(
  shape: Shape,
  worker: WorkerView,
  report: WorkerReport,
  demand: TypicalDemand,
  total: number,
): Extract<Placement, { kind: 'placed' }> {
  const reservation = reservationOn(shape, worker, report, demand);
  return { kind: 'placed', worker: worker.id, reservation, total };
}

export function notPlaced(shape: Shape, workers: readonly WorkerView[]): Placement {
  const failure = impossibility(shape, workers);
  return failure === undefined ? { kind: 'waiting' } : { kind: 'impossible', failure };
}

/** What the shape would hold on this worker, which is feasible now. */
function reservationOn(
  shape: Shape,
  worker: WorkerView,
  report: WorkerReport,
  demand: TypicalDemand,
): Reservation {
  const { cpuMilli, memoryBytes, diskBytes, gpu } = shape.resources;
  const devices: DeviceShare[] = [];
  if (gpu?.kind === 'part') {
    const { device } = fitOn(shape, worker, report, demand);
    if (device !== undefined) devices.push({ uuid: device.uuid, vramBytes: gpu.vramBytes, whole: false });
  } else if (gpu?.kind === 'whole') {
    let device = nextForWhole(gpu, report.devices, worker.ledger, undefined);
    while (device !== undefined && devices.length < gpu.count) {
      devices.push({ uuid: device.uuid, vramBytes: device.vramBytes, whole: true });
      device = nextForWhole(gpu, report.devices, worker.ledger, device);
    }
  } else if (gpu !== undefined) {
    for (const { uuid, vramBytes } of gpu.parts) devices.push({ uuid, vramBytes, whole: false });
  }
  const wanted = gpu === undefined ? 0 : devicesWanted(gpu);
  if (devices.length !== wanted)
    throw new Error(`reserving on a worker that is not feasible: ${devices.length} of ${wanted} devices`);
  const { model } = shape;
  return { cpuMilli, memoryBytes, diskBytes, devices, ...(model !== undefined && { model }) };
}
