/**
 * Room that is kept on a worker for a task that fits nowhere now: what it will hold there when enough of what runs has ended.
 *
 * 1. Beside a claim a worker has what would be free if the claim were reserved: what the claimed task lacks now, nobody else
 *    gets; of the rest, what both can have.
 */
import type { Device, DeviceShare, GpuRequest, Reservation } from '@gryphgen/protocol';
import { capability, deviceLack } from './device-fit.ts';
import { copyOf, emptyLedger, type Ledger, release, reserve } from './ledger.ts';
import { isFeasible, lackOf } from './predicates.ts';
import { normalized, type Shape } from './shape.ts';
import type { WorkerView } from './worker-view.ts';

/** What the task would hold on this worker, as it is now but for what runs there; undefined: it could not run there either. */
export function claimOn(task: Shape, worker: WorkerView): Reservation | undefined {
  const { report, ledger } = worker;
  const shape = normalized(task);
  if (report === null || !isFeasible(shape, { ...worker, ledger: emptyLedger(), beyondBytes: 0 }, report))
    return undefined;
  const { resources, model } = shape;
  const { cpuMilli, memoryBytes, diskBytes, gpu } = resources;
  const devices = gpu === undefined ? [] : devicesFor(gpu, report.devices, ledger);
  return { cpuMilli, memoryBytes, diskBytes, devices, ...(model !== undefined && { model }) };
}

/** Those of which the least is held. */
function devicesFor(gpu: GpuRequest, devices: readonly Device[], ledger: Ledger): DeviceShare[] {
  if (gpu.kind === 'parts')
    return gpu.parts.map(({ uuid, vramBytes }) => ({ uuid, vramBytes, whole: false }));
  const heldOf = ({ uuid }: Device) => ledger.devices.get(uuid)?.vramBytes ?? 0;
  const suitable = devices
    .filter((device) => deviceLack(gpu, device, undefined, 'now') === 0)
    .sort((a, b) => heldOf(a) - heldOf(b) || capability(a) - capability(b) || (a.uuid < b.uuid ? -1 : 1));
  return suitable.slice(0, gpu.kind === 'whole' ? gpu.count : 1).map(({ uuid, vramBytes }) => ({
    uuid,
    vramBytes: gpu.kind === 'whole' ? vramBytes : gpu.vramBytes,
    whole: gpu.kind === 'whole',
  }));
}

/** How far the worker is from taking it now; 0 when it can. */
export function lackNow(task: Shape, worker: WorkerView): number {
  return worker.report === null
    ? Number.POSITIVE_INFINITY
    : lackOf(normalized(task), worker, worker.report, 'now');
}

/** The worker as those see it who must leave the claim alone. */
export function beside(worker: WorkerView, claim: Reservation): WorkerView {
  const ledger = copyOf(worker.ledger);
  reserve(ledger, claim);
  return { ...worker, ledger };
}

/** The worker as it would be with nothing on it, of the grid or of others, and at work again. */
export function emptied(worker: WorkerView): WorkerView {
  const { report } = worker;
  const bare = {
    ...worker,
    connected: true,
    draining: false,
    ledger: emptyLedger(),
    models: new Map(),
    beyondBytes: 0,
  };
  if (report === null) return bare;
  const { pressures: _, ...rest } = report;
  const devices = report.devices.map(({ pressure: _, ...device }) => ({ ...device, foreignBytes: 0 }));
  return { ...bare, report: { ...rest, foreignBytes: 0, devices } };
}

/** The worker as it is when these attempts have ended. */
export function without(worker: WorkerView, ended: readonly Reservation[]): WorkerView {
  const ledger = copyOf(worker.ledger);
  for (const reservation of ended) release(ledger, reservation);
  return { ...worker, ledger };
}
