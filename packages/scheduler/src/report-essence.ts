/** Whether placement would see a difference between two reports of one worker. */
import type { Device, Offers, WorkerReport } from '@gryphgen/protocol';

/** Desktops move this much about when a window opens. */
const foreignStep = 256 * 1024 ** 2;

/**
 * Temperatures, clocks, troubles and small change of foreign memory do not count; of a pressure counts what it stops, not
 * how it is put in words.
 */
export function placesAlike(a: WorkerReport, b: WorkerReport): boolean {
  return (
    a.name === b.name &&
    a.cpuMilli === b.cpuMilli &&
    a.memoryBytes === b.memoryBytes &&
    stepsOf(a.foreignBytes) === stepsOf(b.foreignBytes) &&
    a.diskBytes === b.diskBytes &&
    a.slots === b.slots &&
    a.speed === b.speed &&
    a.dataEndpoint === b.dataEndpoint &&
    alike(a.capabilities, b.capabilities, same) &&
    alike(Object.entries(a.labels).flat(), Object.entries(b.labels).flat(), same) &&
    alike(a.images, b.images, same) &&
    alike(stopped(a), stopped(b), same) &&
    alike(a.devices, b.devices, devicesAlike) &&
    offersAlike(a.offers, b.offers)
  );
}

/** Of two that place alike: whether less is held outside the grid in the second, were it little. */
export function freesMemory(a: WorkerReport, b: WorkerReport): boolean {
  const less = (one: Foreign, other: Foreign): boolean => (other.foreignBytes ?? 0) < (one.foreignBytes ?? 0);
  return less(a, b) || a.devices.some((device, index) => less(device, b.devices[index] ?? device));
}

type Foreign = Pick<WorkerReport, 'foreignBytes'>;

function devicesAlike(a: Device, b: Device): boolean {
  return (
    a.uuid === b.uuid &&
    a.name === b.name &&
    a.vramBytes === b.vramBytes &&
    a.computeCapability === b.computeCapability &&
    (a.pressure === undefined) === (b.pressure === undefined) &&
    stepsOf(a.foreignBytes) === stepsOf(b.foreignBytes)
  );
}

function stepsOf(foreignBytes = 0): number {
  return Math.round(foreignBytes / foreignStep);
}

function offersAlike(a: Offers | undefined, b: Offers | undefined): boolean {
  if (a === undefined || b === undefined) return a === b;
  return (
    a.root === b.root &&
    a.ports === b.ports &&
    alike(a.fields, b.fields, same) &&
    (a.images === undefined) === (b.images === undefined) &&
    alike(a.images ?? [], b.images ?? [], same) &&
    alike(a.mounts, b.mounts, (one, other) => one.name === other.name && one.write === other.write) &&
    alike(a.networks, b.networks, same) &&
    alike(a.runtimes, b.runtimes, same)
  );
}

function stopped({ pressures = [] }: WorkerReport): readonly string[] {
  return [...new Set(pressures.flatMap(({ stops }) => stops))].sort();
}

function alike<T>(a: readonly T[], b: readonly T[], equal: (one: T, other: T) => boolean): boolean {
  return a.length === b.length && a.every((one, index) => equal(one, b[index] as T));
}

function same(one: string, other: string): boolean {
  return one === other;
}
