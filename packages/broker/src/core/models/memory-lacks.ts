/**
 * Instances that ran out of a device's memory while they were loaded: what was planned for them was too little, so the next
 * one there is planned to take less of it.
 *
 * 1. Once: where less is not enough either, it waits as any that fails (failed-starts.ts).
 */
import { type DeviceUuid, type Failure, formatBytes, type WorkerId } from '@gryphgen/protocol';
import { beside, freeVram, type WorkerView } from '@gryphgen/scheduler';
import type { Task } from '../state.ts';

/** Of one device. */
export interface MemoryLack {
  readonly device: DeviceUuid;
  /** What was too little there. */
  readonly heldBytes: number;
}

/** Of that, the next one may be planned to take: the estimate is seldom off by more. */
const share = 3 / 4;

/** Whether one that takes less is to be begun: it is the first there that found too little. */
export function noteLack(lacks: Map<WorkerId, MemoryLack>, { lease }: Task, why: Failure): boolean {
  const [held] = lease?.reservation.devices ?? [];
  if (why.code !== 'execution.oom' || lease === null || held === undefined || lacks.has(lease.worker))
    return false;
  lacks.set(lease.worker, { device: held.uuid, heldBytes: held.vramBytes });
  return true;
}

/** The worker as one may be planned there: with no more of that device than it may take. */
export function narrowed(view: WorkerView, lack: MemoryLack | undefined): WorkerView {
  const device = view.report?.devices.find(({ uuid }) => uuid === lack?.device);
  if (lack === undefined || device === undefined) return view;
  const free = freeVram(device, view.ledger.devices.get(device.uuid), 'now');
  const most = Math.floor(lack.heldBytes * share);
  if (free <= most) return view;
  const rest = { uuid: device.uuid, vramBytes: free - most, whole: false };
  return beside(view, { cpuMilli: 0, memoryBytes: 0, diskBytes: 0, devices: [rest] });
}

/** '' where that is not why it is planned so. */
export function lackWords({ report }: WorkerView, lack: MemoryLack | undefined): string {
  const device = report?.devices.find(({ uuid }) => uuid === lack?.device);
  return lack === undefined || device === undefined
    ? ''
    : `; ${formatBytes(lack.heldBytes)} of ${device.name} were too little to load it`;
}
