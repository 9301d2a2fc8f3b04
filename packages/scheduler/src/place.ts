/**
 * Where a task goes: pure, over what the broker knows of its workers at this moment.
 *
 * 1. Placed only where every predicate holds against the ledger; of those the highest total, equals by the smaller id.
 * 2. The answer does not depend on the order of the workers.
 * 3. `impossible` only when every worker has reported and none could take it even when empty: refusing is for good,
 *    waiting is not.
 */
import type {
  DeviceShare,
  Failure,
  GpuRequest,
  Reservation,
  WorkerId,
  WorkerReport,
} from '@gryphgen/protocol';
import { bestForPart, nextForWhole } from './device-fit.ts';
import { impossibility } from './impossibility.ts';
import type { Ledger } from './ledger.ts';
import { isFeasible } from './predicates.ts';
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

export function place(task: Shape, workers: readonly WorkerView[]): Placement {
  const shape = normalized(task);
  let best: WorkerView | undefined;
  let bestReport: WorkerReport | undefined;
  let bestTotal = -1;
  for (const worker of workers) {
    const { report } = worker;
    if (report === null || !isFeasible(shape, worker, report)) continue;
    const total = totalOf(shape, worker, report);
    if (total < bestTotal || (total === bestTotal && best !== undefined && best.id < worker.id)) continue;
    best = worker;
    bestReport = report;
    bestTotal = total;
  }
  if (best !== undefined && bestReport !== undefined) {
    return {
      kind: 'placed',
      worker: best.id,
      reservation: reservationOn(shape, best.ledger, bestReport),
      total: bestTotal,
    };
  }
  const failure = impossibility(shape, workers);
  return failure === undefined ? { kind: 'waiting' } : { kind: 'impossible', failure };
}

/** What the shape would hold on this worker, which is feasible now. */
function reservationOn(shape: Shape, ledger: Ledger, report: WorkerReport): Reservation {
  const { cpuMilli, memoryBytes, diskBytes, gpu } = shape.resources;
  const devices = gpu === undefined ? [] : sharesOn(gpu, ledger, report);
  return { cpuMilli, memoryBytes, diskBytes, devices };
}

function sharesOn(gpu: GpuRequest, ledger: Ledger, { devices }: WorkerReport): DeviceShare[] {
  const shares: DeviceShare[] = [];
  if (gpu.kind === 'part') {
    const device = bestForPart(gpu, devices, ledger);
    if (device !== undefined) shares.push({ uuid: device.uuid, vramBytes: gpu.vramBytes, whole: false });
  } else {
    let device = nextForWhole(gpu, devices, ledger, undefined);
    while (device !== undefined && shares.length < gpu.count) {
      shares.push({ uuid: device.uuid, vramBytes: device.vramBytes, whole: true });
      device = nextForWhole(gpu, devices, ledger, device);
    }
  }
  const wanted = gpu.kind === 'whole' ? gpu.count : 1;
  if (shares.length !== wanted)
    throw new Error(`reserving on a worker that is not feasible: ${shares.length} of ${wanted} devices`);
  return shares;
}
