/**
 * Which device of a worker can serve a request, and which serves it best.
 *
 * 1. A part goes on one device, where it leaves least behind; never beside a whole holder. Parts of several name their devices.
 * 2. A whole device has nobody else of the grid on it. Of those that will do, the least capable are taken: the
 *    RTX 3060 is not spent on what the GTX 1060 can do.
 * 3. Memory held outside the grid is never given away. It may end at any time, so it does not count in mode `ever`.
 * 4. Requests come normalized (shape.ts): names are in lower case.
 * 5. A device under pressure gets nothing new; it passes, so it does not count in mode `ever`.
 * 6. Nothing here allocates (but each device's name in lower case, once): it runs for every device at each placement.
 */
import type { Device, GpuRequest } from '@gryphgen/protocol';
import type { HeldDevice, Ledger } from './ledger.ts';

/** `now`: against the ledger. `ever`: against the same machine, empty, connected and willing. */
export type Mode = 'now' | 'ever';

const MiB = 1024 ** 2;

/** Kept free beside memory held outside the grid: a desktop's use grows by some windows without asking. */
export const FOREIGN_MARGIN_BYTES = 128 * MiB;
/** Outside use up to which a device still counts as nobody's: what a display server alone holds. */
export const FOREIGN_IDLE_BYTES = 512 * MiB;

export type Held = HeldDevice | undefined;
export type Part = Extract<GpuRequest, { kind: 'part' }>;
export type Parts = Extract<GpuRequest, { kind: 'parts' }>;
type Whole = Extract<GpuRequest, { kind: 'whole' }>;

/** 0: the device will do. Else how far from it: the missing share of each amount, 1 for what is not an amount. */
export function deviceLack(gpu: GpuRequest, device: Device, held: Held, mode: Mode): number {
  return (
    uuidLack(gpu, device) +
    nameLack(gpu, device) +
    capabilityLack(gpu, device) +
    pressureLack(device, mode) +
    (gpu.kind === 'whole'
      ? wholeLack(device, held, mode)
      : partLack(partBytesOn(gpu, device), device, held, mode))
  );
}

/** How many devices of one worker the request is for. */
export function devicesWanted(gpu: GpuRequest): number {
  if (gpu.kind === 'part') return 1;
  return gpu.kind === 'whole' ? gpu.count : gpu.parts.length;
}

/** What is asked of this device; 0 of one that is not meant. */
export function partBytesOn(gpu: Part | Parts, { uuid }: Device): number {
  if (gpu.kind === 'part') return gpu.vramBytes;
  for (const part of gpu.parts) if (part.uuid === uuid) return part.vramBytes;
  return 0;
}

/** Bytes of the device that a part may take. */
export function freeVram(device: Device, held: Held, mode: Mode): number {
  if (mode === 'ever') return device.vramBytes;
  const foreign = device.foreignBytes > 0 ? device.foreignBytes + FOREIGN_MARGIN_BYTES : 0;
  return device.vramBytes - foreign - (held?.vramBytes ?? 0);
}

/** The device that has least left after the part; equals by least capable. Undefined when none will do. */
export function bestForPart(gpu: Part, devices: readonly Device[], ledger: Ledger): Device | undefined {
  let best: Device | undefined;
  let bestFree = Number.POSITIVE_INFINITY;
  for (const device of devices) {
    const held = ledger.devices.get(device.uuid);
    if (deviceLack(gpu, device, held, 'now') > 0) continue;
    const free = freeVram(device, held, 'now');
    if (free > bestFree || (free === bestFree && best !== undefined && isBefore(best, device))) continue;
    best = device;
    bestFree = free;
  }
  return best;
}

/** The least capable device that will do and comes after `previous`: called again, it walks them in order. */
export function nextForWhole(
  gpu: Whole,
  devices: readonly Device[],
  ledger: Ledger,
  previous: Device | undefined,
): Device | undefined {
  let next: Device | undefined;
  for (const device of devices) {
    if (previous !== undefined && !isBefore(previous, device)) continue;
    if (next !== undefined && isBefore(next, device)) continue;
    if (deviceLack(gpu, device, ledger.devices.get(device.uuid), 'now') === 0) next = device;
  }
  return next;
}

/** Memory times generation: crude, and right about every pair of cards people mix. An unknown generation is the least. */
export function capability(device: Device): number {
  return device.vramBytes * Math.max(1, device.computeCapability);
}

/** Of two that will do, the one to spend first. */
export function isBefore(a: Device, b: Device): boolean {
  const order = capability(a) - capability(b);
  return order === 0 ? a.uuid < b.uuid : order < 0;
}

export function uuidLack(gpu: GpuRequest, device: Device): number {
  if (gpu.kind === 'parts') return partBytesOn(gpu, device) > 0 ? 0 : 1;
  return gpu.uuid === undefined || gpu.uuid === device.uuid ? 0 : 1;
}

export function nameLack(gpu: GpuRequest, device: Device): number {
  return gpu.name === undefined || lowerName(device).includes(gpu.name) ? 0 : 1;
}

const lowerNames = new WeakMap<Device, string>();

function lowerName(device: Device): string {
  let lower = lowerNames.get(device);
  if (lower === undefined) {
    lower = device.name.toLowerCase();
    lowerNames.set(device, lower);
  }
  return lower;
}

export function capabilityLack(gpu: GpuRequest, device: Device): number {
  const least = gpu.minComputeCapability;
  return least === undefined ? 0 : Math.max(0, (least - device.computeCapability) / least);
}

function pressureLack({ pressure }: Device, mode: Mode): number {
  return mode === 'now' && pressure !== undefined ? 1 : 0;
}

export function partLack(vramBytes: number, device: Device, held: Held, mode: Mode): number {
  if (mode === 'now' && held?.whole) return 1;
  const short = vramBytes - freeVram(device, held, mode);
  return short > 0 && vramBytes > 0 ? short / vramBytes : 0;
}

export function wholeLack(device: Device, held: Held, mode: Mode): number {
  if (mode === 'ever') return 0;
  return held !== undefined || device.foreignBytes > FOREIGN_IDLE_BYTES ? 1 : 0;
}
