/**
 * What is reserved on one worker: plain data that the broker's state owns, and the functions that change it.
 *
 * 1. Reserving adds exactly what releasing takes away; a device that nobody holds has no entry.
 * 2. A release that matches no reservation is a bug and throws before anything has changed.
 * 3. Every change raises `version` and is told to `onChange`; both are all that changes a ledger.
 * 4. `whole` stays until the device is empty: should a ghost (E14) ever share a wholly held device, the device is
 *    barred for too long rather than for too short.
 */
import {
  type DeviceShare,
  type DeviceUuid,
  formatBytes,
  type Reservation,
  type WorkerReport,
} from '@gryphgen/protocol';

/** What all holders of one device hold together. */
export interface HeldDevice {
  vramBytes: number;
  whole: boolean;
  holders: number;
}

export interface Ledger {
  cpuMilli: number;
  memoryBytes: number;
  diskBytes: number;
  attempts: number;
  devices: Map<DeviceUuid, HeldDevice>;
  /** By model: requests that hold a slot of an instance. */
  asking: Map<string, number>;
  /** Changes so far. */
  version: number;
  /** Told of each change of the worker; null where nobody keeps what it found out of it (roster.ts). */
  onChange: (() => void) | null;
}

export function emptyLedger(): Ledger {
  const nothing = { cpuMilli: 0, memoryBytes: 0, diskBytes: 0, attempts: 0 };
  return { ...nothing, devices: new Map(), asking: new Map(), version: 0, onChange: null };
}

/** Of its own: what changes there changes nothing here. */
export function copyOf(ledger: Ledger): Ledger {
  const devices = new Map([...ledger.devices].map(([uuid, held]) => [uuid, { ...held }]));
  return { ...ledger, devices, asking: new Map(ledger.asking), onChange: null };
}

/** Never refuses: what a worker already runs (E11) is counted even where it should not have fitted. */
export function reserve(ledger: Ledger, reservation: Reservation): void {
  ledger.cpuMilli += reservation.cpuMilli;
  ledger.memoryBytes += reservation.memoryBytes;
  ledger.diskBytes += reservation.diskBytes;
  ledger.attempts += 1;
  ledger.version += 1;
  for (const share of reservation.devices) hold(ledger, share);
  const { model } = reservation;
  if (model !== undefined) ledger.asking.set(model, (ledger.asking.get(model) ?? 0) + 1);
  ledger.onChange?.();
}

/** Throws when the ledger cannot hold such a reservation (2). */
export function release(ledger: Ledger, reservation: Reservation): void {
  const mismatch = mismatchOf(ledger, reservation);
  if (mismatch !== undefined) throw new Error(`release without a reservation: ${mismatch}`);
  ledger.cpuMilli -= reservation.cpuMilli;
  ledger.memoryBytes -= reservation.memoryBytes;
  ledger.diskBytes -= reservation.diskBytes;
  ledger.attempts -= 1;
  ledger.version += 1;
  for (const share of reservation.devices) letGo(ledger, share);
  const { model } = reservation;
  if (model !== undefined) {
    const left = (ledger.asking.get(model) ?? 0) - 1;
    if (left > 0) ledger.asking.set(model, left);
    else ledger.asking.delete(model);
  }
  ledger.onChange?.();
}

/** In words, the first thing of which more is reserved than the worker has; undefined when all is well. */
export function oversubscription(ledger: Ledger, report: WorkerReport): string | undefined {
  if (ledger.attempts > report.slots) return `${ledger.attempts} attempts in ${report.slots} slots`;
  if (ledger.cpuMilli > report.cpuMilli) return `${ledger.cpuMilli} of ${report.cpuMilli} milli-CPU reserved`;
  if (ledger.memoryBytes > report.memoryBytes) return over('memory', ledger.memoryBytes, report.memoryBytes);
  if (ledger.diskBytes > report.diskBytes) return over('disk', ledger.diskBytes, report.diskBytes);
  for (const [uuid, held] of ledger.devices) {
    const device = report.devices.find((candidate) => candidate.uuid === uuid);
    if (device === undefined) return `device ${uuid} is held by ${held.holders} and not reported`;
    if (held.vramBytes > device.vramBytes)
      return over(`${device.name} ${uuid}`, held.vramBytes, device.vramBytes);
    if (held.whole && held.holders > 1)
      return `${device.name} ${uuid} is wholly held and has ${held.holders} holders`;
  }
  return undefined;
}

function over(what: string, reserved: number, has: number): string {
  return `${what}: ${formatBytes(reserved)} reserved of ${formatBytes(has)}, ${formatBytes(reserved - has)} too much`;
}

function hold(ledger: Ledger, share: DeviceShare): void {
  const held = ledger.devices.get(share.uuid);
  if (held === undefined) {
    ledger.devices.set(share.uuid, { vramBytes: share.vramBytes, whole: share.whole, holders: 1 });
    return;
  }
  held.vramBytes += share.vramBytes;
  held.whole ||= share.whole;
  held.holders += 1;
}

function letGo(ledger: Ledger, share: DeviceShare): void {
  const held = ledger.devices.get(share.uuid);
  if (held === undefined) throw new Error(`one reservation names device ${share.uuid} twice`);
  held.vramBytes -= share.vramBytes;
  held.holders -= 1;
  if (held.holders === 0) ledger.devices.delete(share.uuid);
}

function mismatchOf(
  ledger: Ledger,
  { cpuMilli, memoryBytes, diskBytes, devices, model }: Reservation,
): string | undefined {
  if (ledger.attempts < 1) return 'no attempt is held';
  if (ledger.cpuMilli < cpuMilli) return `${cpuMilli} milli-CPU of ${ledger.cpuMilli} held`;
  if (ledger.memoryBytes < memoryBytes) return `${memoryBytes} B of memory of ${ledger.memoryBytes} held`;
  if (ledger.diskBytes < diskBytes) return `${diskBytes} B of disk of ${ledger.diskBytes} held`;
  if (model !== undefined && !ledger.asking.has(model)) return `no slot of ${model} is held`;
  const rest =
    ledger.cpuMilli - cpuMilli + (ledger.memoryBytes - memoryBytes) + (ledger.diskBytes - diskBytes);
  if (ledger.attempts === 1 && rest > 0) return 'the last attempt would leave something behind';
  for (const { uuid, vramBytes, whole } of devices) {
    const held = ledger.devices.get(uuid);
    if (held === undefined) return `device ${uuid} is not held`;
    if (held.vramBytes < vramBytes) return `${vramBytes} B of device ${uuid} of ${held.vramBytes} held`;
    if (held.holders === 1 && held.vramBytes !== vramBytes)
      return `the last of device ${uuid} leaves something behind`;
    if (whole && !held.whole) return `device ${uuid} is not wholly held`;
  }
  return undefined;
}
