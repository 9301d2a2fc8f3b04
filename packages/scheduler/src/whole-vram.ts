/** How much device memory whole devices have, before they are chosen. */
import type { GpuRequest } from '@gryphgen/protocol';
import { deviceLack } from './device-fit.ts';
import type { WorkerView } from './worker-view.ts';

/** The least that such devices of one worker have together, whoever holds them now; 0 where none that has reported has so many. */
export function wholeVram(
  gpu: Extract<GpuRequest, { kind: 'whole' }>,
  workers: readonly WorkerView[],
): number {
  let least = Number.POSITIVE_INFINITY;
  for (const { report } of workers) {
    if (report === null) continue;
    const sizes = report.devices
      .filter((device) => deviceLack(gpu, device, undefined, 'ever') === 0)
      .map(({ vramBytes }) => vramBytes)
      .sort((a, b) => a - b);
    if (sizes.length < gpu.count) continue;
    least = Math.min(
      least,
      sizes.slice(0, gpu.count).reduce((sum, vramBytes) => sum + vramBytes, 0),
    );
  }
  return Number.isFinite(least) ? least : 0;
}
