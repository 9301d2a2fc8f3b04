/**
 * What a task is charged: what it asks for, or what its class was seen to need, whichever is more.
 *
 * 1. Never less than it asks for: a limit that was granted may be used.
 * 2. What was learned makes nothing impossible: where that fits on no worker that takes tasks now, not even when that runs
 *    nothing else of the grid, what the task asks for counts. What is held outside the grid may stay for ever.
 * 3. Of host memory and of a part of a device. A whole device is charged whole as it is.
 * 4. What one worker alone told is charged everywhere, so it is bounded, unless no other could take the task anyway.
 * 5. That runs were ended for want of memory counts where none was asked for: what was asked for is their limit.
 */
import type { PolicyCorrections, WorkerReport } from '@gryphgen/protocol';
import { freeVram } from '../device-fit.ts';
import { foreignMemory } from '../memory-fit.ts';
import { lackOf } from '../predicates.ts';
import { normalized, type Shape } from '../shape.ts';
import type { WorkerView } from '../worker-view.ts';
import type { NeedEstimate } from './needs.ts';

/** Times what is asked for, by the word of one worker alone; but so much is no harm. */
const mostAlone = 4;
const leastAlone = 1024 ** 3;

export interface Needs {
  /** Undefined where nothing of the class was seen. */
  readonly memory: NeedEstimate | undefined;
  readonly vram: NeedEstimate | undefined;
}

/** The very shape where its class needs no more than it asks for. `by`: how much of what was seen, and when it counts. */
export function charged<S extends Shape>(task: S, { memory, vram }: Needs, by: PolicyCorrections): S {
  const { resources } = task;
  const { gpu } = resources;
  const lackBytes = resources.memoryBytes === 0 ? (memory?.lackBytes ?? 0) : 0;
  const memoryBytes = Math.max(resources.memoryBytes, bytesOf(memory, by), Math.ceil(lackBytes));
  const needed = Math.max(bytesOf(vram, by), Math.ceil(vram?.lackBytes ?? 0));
  const vramBytes = gpu?.kind === 'part' ? Math.max(gpu.vramBytes, needed) : 0;
  const more = gpu?.kind === 'part' && vramBytes > gpu.vramBytes ? { gpu: { ...gpu, vramBytes } } : {};
  if (memoryBytes === resources.memoryBytes && !('gpu' in more)) return task;
  return { ...task, resources: { ...resources, memoryBytes, ...more } };
}

/** The needs as far as they are charged when one worker alone told of them. */
export function boundedByAsked({ resources }: Shape, { memory, vram }: Needs): Needs {
  const { memoryBytes, gpu } = resources;
  return {
    memory: boundedNeed(memory, memoryBytes),
    vram: boundedNeed(vram, gpu?.kind === 'part' ? gpu.vramBytes : 0),
  };
}

function boundedNeed(need: NeedEstimate | undefined, askedBytes: number): NeedEstimate | undefined {
  if (need?.teller === undefined) return need;
  const most = Math.max(leastAlone, mostAlone * askedBytes);
  return {
    ...need,
    p90Bytes: Math.min(most, need.p90Bytes),
    lackBytes: Math.min(most, need.lackBytes),
  };
}

/** Whether a worker that takes tasks now could take it if nothing else of the grid ran there. `but`: not that one. */
export function fitsSomewhere(task: Shape, workers: readonly WorkerView[], but?: string): boolean {
  const shape = normalized(task);
  return workers.some(
    (worker) =>
      worker.id !== but &&
      worker.report !== null &&
      worker.connected &&
      !worker.draining &&
      lackOf(shape, worker, leftTo(worker.report), 'ever') === 0,
  );
}

/** What the grid has of it. */
function leftTo(report: WorkerReport): WorkerReport {
  const devices = report.devices.map((device) => ({
    ...device,
    vramBytes: freeVram(device, undefined, 'now'),
  }));
  return { ...report, memoryBytes: report.memoryBytes - foreignMemory(report), devices };
}

/** No more than nine of ten needed, nor than is believed. */
function bytesOf(
  need: NeedEstimate | undefined,
  { leastSeen, chargeReach }: Pick<PolicyCorrections, 'leastSeen' | 'chargeReach'>,
): number {
  if (need === undefined || need.seen < leastSeen) return 0;
  const { p50Bytes, p90Bytes } = need;
  const lower = Math.min(p50Bytes, p90Bytes);
  return Math.ceil(p90Bytes - (1 - chargeReach) * (p90Bytes - lower));
}
