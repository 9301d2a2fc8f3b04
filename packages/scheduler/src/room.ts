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
  let room: { -readonly [K in keyof Room]: Room[K] } | undefined;
  for (const worker of workers) {
    const { report, ledger, connected, draining } = worker;
    if (report === null || !connected || draining || ledger.attempts >= report.slots) continue;
    room ??= { cpuMilli: 0, memoryBytes: 0, diskBytes: 0, vramBytes: 0, wholeDevices: 0 };
    room.cpuMilli = Math.max(room.cpuMilli, report.cpuMilli - ledger.cpuMilli);
    room.memoryBytes = Math.max(room.memoryBytes, freeMemory(worker, report));
    room.diskBytes = Math.max(room.diskBytes, report.diskBytes - ledger.diskBytes);
    let idle = 0;
    for (const device of report.devices) {
      const held = ledger.devices.get(device.uuid);
      if (held === undefined) idle += 1;
      room.vramBytes = Math.max(room.vramBytes, freeVram(device, held, 'now'));
    }
    room.wholeDevices = Math.max(room.wholeDevices, idle);
  }
  return room;
}

/** False: it fits nowhere now. */
export function mayFit({ cpuMilli, memoryBytes, diskBytes, gpu }: Resources, room: Room): boolean {
  if (cpuMilli > room.cpuMilli || memoryBytes > room.memoryBytes || diskBytes > room.diskBytes) return false;
  if (gpu === undefined) return true;
  if (gpu.kind === 'whole') return gpu.count <= room.wholeDevices;
  const most = gpu.kind === 'part' ? gpu.vramBytes : Math.max(...gpu.parts.map(({ vramBytes }) => vramBytes));
  return most <= room.vramBytes;
}
