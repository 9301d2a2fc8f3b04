/**
 * What a worker says that cannot be. It counts for nothing, and is told in words to whoever looks at the worker; nobody
 * else is harmed by it, since a worker's word is about itself alone.
 */
import { formatBytes, type WorkerReport } from '@gryphgen/protocol';
import type { Worker } from '../state.ts';

type Subject = 'use' | 'hardware' | 'foreign' | 'name';
export type Doubts = Map<Subject, { times: number; words: string }>;

/** Parts come and go, sizes do not: one that says other sizes more often in one session is not believed any more. */
const hardwareChanges = 16;

export function doubt({ doubts }: Pick<Worker, 'doubts'>, about: Subject, words: string): void {
  const known = doubts.get(about);
  doubts.set(about, { times: (known?.times ?? 0) + 1, words });
}

export function doubtLines({ doubts }: Pick<Worker, 'doubts'>): readonly string[] {
  return [...doubts.values()].map(({ times, words }) => (times === 1 ? words : `${words} (${times} times)`));
}

/** Whether a report of this session may take the place of that which stands. */
export function mayReplace(worker: Worker, next: WorkerReport): boolean {
  const { report } = worker.view;
  const changed = report && sizeChange(report, next);
  if (changed) doubt(worker, 'hardware', `said in one session that ${changed}`);
  const { times = 0 } = worker.doubts.get('hardware') ?? {};
  if (changed && times > hardwareChanges) return false;
  const impossible = foreignDoubt(next);
  if (impossible !== undefined) doubt(worker, 'foreign', impossible);
  return true;
}

function sizeChange(before: WorkerReport, next: WorkerReport): string | undefined {
  if (before.cpuMilli !== next.cpuMilli)
    return `it has ${before.cpuMilli / 1000} CPU and that it has ${next.cpuMilli / 1000}`;
  if (before.memoryBytes !== next.memoryBytes)
    return `it has ${formatBytes(before.memoryBytes)} memory and that it has ${formatBytes(next.memoryBytes)}`;
  for (const { uuid, vramBytes } of before.devices) {
    const device = next.devices.find((one) => one.uuid === uuid);
    if (device !== undefined && device.vramBytes !== vramBytes)
      return `${uuid} has ${formatBytes(vramBytes)} and that it has ${formatBytes(device.vramBytes)}`;
  }
  return undefined;
}

function foreignDoubt({ memoryBytes, foreignBytes = 0, devices }: WorkerReport): string | undefined {
  if (foreignBytes > memoryBytes)
    return `said that ${formatBytes(foreignBytes)} of its ${formatBytes(memoryBytes)} memory are held outside the grid`;
  const device = devices.find((one) => one.foreignBytes > one.vramBytes);
  return (
    device &&
    `said that ${formatBytes(device.foreignBytes)} of the ${formatBytes(device.vramBytes)} of ${device.uuid} are held outside the grid`
  );
}
