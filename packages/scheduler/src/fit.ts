/**
 * How well a task goes with what is left on a worker, in 0..1, and which device a part goes on.
 *
 * Two measures: packing, which looks at this task alone (a part leaves little on its device, a whole device is of the
 * least capable, an opened host is filled first), and foresight: how much less the typical tasks could use of the
 * worker's devices after it (stranding.ts). How far to go by the second is what is known of the demand.
 */
import type { Device, GpuRequest, Resources, WorkerReport } from '@gryphgen/protocol';
import type { TypicalDemand } from './demand.ts';
import {
  bestForPart,
  capability,
  deviceLack,
  freeVram,
  isBefore,
  nextForWhole,
  type Part,
  type Parts,
} from './device-fit.ts';
import type { Shape } from './shape.ts';
import { clamp, share } from './share.ts';
import { type Leftover, leftoverOf, strandedOn } from './stranding.ts';
import type { WorkerView } from './worker-view.ts';

/** `capability` that packs half well when spent whole: 8 GiB of compute capability 6.0. */
const MIDDLING_CAPABILITY = 8 * 1024 ** 3 * 60;
/** What is left on a device in use already weighs less than on one that a whole-device task could still have. */
const OPENED_REST = 0.5;
/** How much of a GPU task's packing is about its device; the rest is about filling one host before opening the next. */
const DEVICE_SHARE = 0.7;
/** Stranding a quarter of a device, or mending as much, goes half of the way from indifferent to the end of the scale. */
const STEEPNESS = 4;
/** Stranding is told apart by a millionth of a device. */
const GRAIN = 2 ** 20;
/** Most that a task without a device finds on a host that has some: no other term makes up for the rest. */
const BESIDE_DEVICES = 0.4;

export interface Fit {
  readonly fit: number;
  /** Where a part goes. */
  readonly device?: Device;
}

/** Only for a worker that is feasible now. */
export function fitOn(shape: Shape, worker: WorkerView, report: WorkerReport, demand: TypicalDemand): Fit {
  const { resources } = shape;
  const { gpu } = resources;
  if (gpu === undefined) return { fit: fitWithoutDevice(resources, worker, report, demand) };
  if (gpu.kind === 'whole') return { fit: fitOfWhole(resources, gpu, worker, report, demand) };
  if (gpu.kind === 'parts') return fitOfParts(resources, gpu, worker, report, demand);
  return fitOfPart(resources, gpu, worker, report, demand);
}

/** A task without a device keeps off machines that have some: their host memory and CPU feed the devices. */
function fitWithoutDevice(
  resources: Resources,
  worker: WorkerView,
  report: WorkerReport,
  demand: TypicalDemand,
): number {
  if (report.devices.length === 0) return 1;
  const packing = 0.5 / (1 + report.devices.length);
  if (demand.trust === 0) return packing;
  const leftover = leftoverOf(worker, report, demand);
  takeHost(leftover, resources);
  return between(packing, BESIDE_DEVICES * foresight(leftover.before - strandedOn(leftover)), demand.trust);
}

function fitOfWhole(
  resources: Resources,
  gpu: Extract<GpuRequest, { kind: 'whole' }>,
  worker: WorkerView,
  report: WorkerReport,
  demand: TypicalDemand,
): number {
  const leftover = demand.trust === 0 ? undefined : leftoverOf(worker, report, demand);
  let taken = 0;
  let deviceFit = 0;
  let device = nextForWhole(gpu, report.devices, worker.ledger, undefined);
  for (let i = 0; i < gpu.count && device !== undefined; i += 1) {
    deviceFit += MIDDLING_CAPABILITY / (MIDDLING_CAPABILITY + capability(device)) / gpu.count;
    taken += device.vramBytes;
    if (leftover !== undefined) takeDevice(leftover, report.devices.indexOf(device));
    device = nextForWhole(gpu, report.devices, worker.ledger, device);
  }
  const packing = DEVICE_SHARE * clamp(deviceFit) + (1 - DEVICE_SHARE) * hostFilled(taken, worker, report);
  if (leftover === undefined) return packing;
  takeHost(leftover, resources);
  return between(packing, foresight(leftover.before - strandedOn(leftover)), demand.trust);
}

/** There is nothing to choose but the worker. */
function fitOfParts(
  resources: Resources,
  { parts }: Parts,
  worker: WorkerView,
  report: WorkerReport,
  demand: TypicalDemand,
): Fit {
  const leftover = demand.trust === 0 ? undefined : leftoverOf(worker, report, demand);
  let taken = 0;
  let packing = 0;
  for (const { uuid, vramBytes } of parts) {
    const at = report.devices.findIndex((device) => device.uuid === uuid);
    const device = report.devices[at];
    if (device === undefined) return { fit: 0 };
    taken += vramBytes;
    packing += packingOfPart(vramBytes, device, worker) / parts.length;
    if (leftover !== undefined) takePart(leftover, at, vramBytes);
  }
  packing += (1 - DEVICE_SHARE) * hostFilled(taken, worker, report);
  if (leftover === undefined) return { fit: packing };
  takeHost(leftover, resources);
  return { fit: between(packing, foresight(leftover.before - strandedOn(leftover)), demand.trust) };
}

function fitOfPart(
  resources: Resources,
  gpu: Part,
  worker: WorkerView,
  report: WorkerReport,
  demand: TypicalDemand,
): Fit {
  const filled = (1 - DEVICE_SHARE) * hostFilled(gpu.vramBytes, worker, report);
  if (demand.trust === 0) {
    const device = bestForPart(gpu, report.devices, worker.ledger);
    return device === undefined
      ? { fit: 0 }
      : { fit: filled + packingOfPart(gpu.vramBytes, device, worker), device };
  }
  const leftover = leftoverOf(worker, report, demand);
  takeHost(leftover, resources);
  const tried: Tried[] = [];
  let best: Fit = { fit: 0 };
  for (let at = 0; at < report.devices.length; at += 1) {
    const device = report.devices[at] as Device;
    const held = worker.ledger.devices.get(device.uuid);
    if (deviceLack(gpu, device, held, 'now') > 0) continue;
    const vramBytes = leftover.vramBytes[at] as number;
    const isOpen = held !== undefined;
    let same = tried.find(
      (other) =>
        other.make === leftover.alike[at] && other.vramBytes === vramBytes && other.isOpen === isOpen,
    );
    if (same === undefined) {
      const packing = filled + packingOfPart(gpu.vramBytes, device, worker);
      const fit = between(
        packing,
        foresight(leftover.before - strandedWith(leftover, at, gpu)),
        demand.trust,
      );
      same = { make: leftover.alike[at] as number, vramBytes, isOpen, fit };
      tried.push(same);
    }
    const { fit } = same;
    if (best.device !== undefined && (fit < best.fit || (fit === best.fit && isBefore(best.device, device))))
      continue;
    best = { fit, device };
  }
  return best;
}

/** A device that was tried: another like it comes out the same. */
interface Tried {
  readonly make: number;
  readonly vramBytes: number;
  readonly isOpen: boolean;
  readonly fit: number;
}

/** With the part on the device at this place; leaves the leftover as it was. */
function strandedWith(leftover: Leftover, at: number, part: Part): number {
  const [vramBytes, whole] = [leftover.vramBytes[at] as number, leftover.whole[at] as number];
  takePart(leftover, at, part.vramBytes);
  const stranded = strandedOn(leftover);
  leftover.vramBytes[at] = vramBytes;
  leftover.whole[at] = whole;
  return stranded;
}

function packingOfPart(vramBytes: number, device: Device, { ledger }: WorkerView): number {
  const held = ledger.devices.get(device.uuid);
  const left = share(freeVram(device, held, 'now') - vramBytes, device.vramBytes);
  return DEVICE_SHARE * clamp(1 - (held === undefined ? left : OPENED_REST * left));
}

/** Share of all the host's device memory that will be held: untouched hosts stay whole for whole-device tasks. */
function hostFilled(taken: number, worker: WorkerView, report: WorkerReport): number {
  let held = taken;
  let total = 0;
  for (const device of report.devices) {
    held += worker.ledger.devices.get(device.uuid)?.vramBytes ?? 0;
    total += device.vramBytes;
  }
  return share(held, total);
}

function takeHost(leftover: Leftover, { cpuMilli, memoryBytes }: Resources): void {
  leftover.cpuMilli -= cpuMilli;
  leftover.memoryBytes -= memoryBytes;
}

function takePart(leftover: Leftover, at: number, vramBytes: number): void {
  leftover.vramBytes[at] = (leftover.vramBytes[at] as number) - vramBytes;
  leftover.whole[at] = 0;
}

function takeDevice(leftover: Leftover, at: number): void {
  leftover.vramBytes[at] = 0;
  leftover.whole[at] = 0;
}

/**
 * 0..1, one half where nothing is stranded or mended. No Math.exp: its last digit differs between machines; nor does the
 * last digit of a sum count, which differs with the order of the devices.
 */
function foresight(mended: number): number {
  const steep = (STEEPNESS * Math.round(mended * GRAIN)) / GRAIN;
  return 0.5 + (0.5 * steep) / (1 + Math.abs(steep));
}

function between(packing: number, foreseen: number, trust: number): number {
  return clamp(packing + trust * (foreseen - packing));
}
