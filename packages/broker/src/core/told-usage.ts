/**
 * What a worker says an attempt used is its word alone: more than its machine has is not believed, and not kept. Nothing
 * is learned from it then, and nobody is charged by it.
 */
import type { Result, Usage } from '@gryphgen/protocol';
import type { WorkerView } from '@gryphgen/scheduler';
import type { TaskLease } from './state.ts';

/** Clocks differ, and time on processors is counted in ticks. */
const slackMs = 1000;

/** Without the parts that cannot be. `wall`: now. */
export function believableUsage(
  { report }: Pick<WorkerView, 'report'>,
  { leasedAt }: Pick<TaskLease, 'leasedAt'>,
  { usage }: Pick<Result, 'usage'>,
  wall: number,
): Usage | undefined {
  if (usage === undefined || report === null) return undefined;
  const { cpuMs, peakMemoryBytes, peakVramBytes } = usage;
  const threads = Math.max(report.cpuMilli / 1000, report.hardware?.cpu.threads ?? 0);
  const mostCpuMs = (Math.max(0, wall - leasedAt) + slackMs) * threads;
  const vramBytes = report.devices.reduce((sum, device) => sum + device.vramBytes, 0);
  return {
    ...(isWithin(cpuMs, mostCpuMs) && { cpuMs }),
    ...(isWithin(peakMemoryBytes, report.memoryBytes) && { peakMemoryBytes }),
    ...(isWithin(peakVramBytes, vramBytes) && { peakVramBytes }),
  };
}

function isWithin(amount: number | undefined, most: number): amount is number {
  return amount !== undefined && amount <= most;
}
