/**
 * The most that any one worker has free of each thing: what asks for more of one of them fits nowhere, which is found
 * out without looking at the workers. What asks for no more may still fit nowhere.
 */
import type { Resources } from '@gryphgen/protocol';
import { freeVram } from './device-fit.ts';
import { freeMemory } from './memory-fit.ts';
import type { WorkerView } from './worker-view.ts';

export interface Room {
  readonly cpuMilli: number;
  readonly memoryBytes: number;
  readonly diskBytes: number;
  /** Of one device. */
  readonly vramBytes: number;
  /** Devices of one worker that nobody of the grid holds. */
  readonly wholeDevices: number;
}

/** Undefined: no worker takes anything now. */
export function roomOf(workers: readonly WorkerView[]): Room | undefined {
  let most: Room | undefined;
  for (const worker of workers) {
    const room = roomOn(worker);
    if (room === undefined) continue;
    most = {
      cpuMilli: Math.max(most?.cpuMilli ?? 0, room.cpuMilli),
      memoryBytes: Math.max(most?.memoryBytes ?? 0, room.memoryBytes),
      diskBytes: Math.max(most?.diskBytes ?? 0, room.diskBytes),
      vramBytes: Math.max(most?.vramBytes ?? 0, room.vramBytes),
      wholeDevices: Math.max(most?.wholeDevices ?? 0, room.wholeDevices),
    };
  }
  return most;
}

/** Undefined: it takes nothing now. */
export function roomOn(worker: WorkerView): Room | undefined {
  const { report, ledger, connected, draining } = worker;
  if (report === null || !connected || draining || ledger.attempts >= report.slots) return undefined;
  let [vramBytes, wholeDevices] = [0, 0];
  for (const device of report.devices) {
    const held = ledger.devices.get(device.uuid);
    if (held === undefined) wholeDevices += 1;
    vramBytes = Math.max(vramBytes, freeVram(device, held, 'now'));
  }
  return {
    cpuMilli: report.cpuMilli - ledger.cpuMilli,
    memoryBytes: freeMemory(worker, report),
    diskBytes: report.diskBytes - ledger.diskBytes,
    vramBytes,
    wholeDevices,
  };
}

/** False: it fits nowhere now. */
export function mayFit({ cpuMilli, memoryBytes, diskBytes, gpu }: Resources, room: Room): boolean {
  if (cpuMilli > room.cpuMilli || memoryBytes > room.memoryBytes || diskBytes > room.diskBytes) return false;
  if (gpu === undefined) return true;
  if (gpu.kind === 'whole') return gpu.count <= room.wholeDevices;
  const most = gpu.kind === 'part' ? gpu.vramBytes : Math.max(...gpu.parts.map(({ vramBytes }) => vramBytes));
  return most <= room.vramBytes;
}
