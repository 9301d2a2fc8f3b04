/**
 * Instances that ran out of a device's memory while they were loaded: what was planned for them was too little, so the next
 * one there is planned to take less of it.
 *
 * 1. Once: where less is not enough either, it waits as any that fails (failed-starts.ts).
 * 2. Of several devices nobody says which had too little: it takes less of each.
 */
import { type DeviceShare, type Failure, formatBytes, type WorkerId } from '@gryphgen/protocol';
import { beside, freeVram, type WorkerView } from '@gryphgen/scheduler';
import type { Task } from '../state.ts';

/** What was too little, of each device that it held. */
export type MemoryLack = readonly DeviceShare[];

/** Of that, the next one may be planned to take: the estimate is seldom off by more. */
const share = 3 / 4;

/** Whether one that takes less is to be begun: it is the first there that found too little. */
export function noteLack(lacks: Map<WorkerId, MemoryLack>, { lease }: Task, why: Failure): boolean {
  const devices = lease?.reservation.devices ?? [];
  if (why.code !== 'execution.oom' || lease === null || devices.length === 0 || lacks.has(lease.worker))
    return false;
  lacks.set(lease.worker, devices);
  return true;
}

/** The worker as one may be planned there: with no more of those devices than it may take. */
export function narrowed(view: WorkerView, lack: MemoryLack = []): WorkerView {
  const devices = lack.flatMap(({ uuid, vramBytes }) => {
    const device = view.report?.devices.find((one) => one.uuid === uuid);
    if (device === undefined) return [];
    const free = freeVram(device, view.ledger.devices.get(uuid), 'now');
    const most = Math.floor(vramBytes * share);
    return free <= most ? [] : [{ uuid, vramBytes: free - most, whole: false }];
  });
  return devices.length === 0 ? view : beside(view, { cpuMilli: 0, memoryBytes: 0, diskBytes: 0, devices });
}

/** '' where that is not why it is planned so. */
export function lackWords({ report }: WorkerView, lack: MemoryLack = []): string {
  const words = lack.flatMap(({ uuid, vramBytes }) => {
    const device = report?.devices.find((one) => one.uuid === uuid);
    return device === undefined ? [] : [`${formatBytes(vramBytes)} of ${device.name}`];
  });
  return words.length === 0 ? '' : `; ${words.join(' and ')} were too little to load it`;
}
