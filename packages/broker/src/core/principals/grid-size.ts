/** What the machines of the grid have together, and which part of it a reservation is. */
import type { Reservation } from '@gryphgen/protocol';
import type { WorkerView } from '@gryphgen/scheduler';

interface Sum {
  cpuMilli: number;
  memoryBytes: number;
  vramBytes: number;
}

export class GridSize {
  private sum: Sum | null = null;

  /** A worker came, went for good, or has other things than before. */
  workersChanged(): void {
    this.sum = null;
  }

  /** Millionths of the grid: its part of CPU, memory or device memory, whichever is greatest; one at least. */
  partOf({ cpuMilli, memoryBytes, devices }: Reservation, workers: readonly WorkerView[]): number {
    this.sum ??= sumOf(workers);
    const { sum } = this;
    let vramBytes = 0;
    for (const device of devices) vramBytes += device.vramBytes;
    const part = Math.max(
      partOf(cpuMilli, sum.cpuMilli),
      partOf(memoryBytes, sum.memoryBytes),
      partOf(vramBytes, sum.vramBytes),
    );
    return Math.max(1, Math.round(part * 1_000_000));
  }
}

function partOf(amount: number, all: number): number {
  return all > 0 ? Math.min(1, amount / all) : 0;
}

/** Of all that have reported, connected or not: who went away for a while comes back. */
function sumOf(workers: readonly WorkerView[]): Sum {
  const sum = { cpuMilli: 0, memoryBytes: 0, vramBytes: 0 };
  for (const { report } of workers) {
    if (report === null) continue;
    sum.cpuMilli += report.cpuMilli;
    sum.memoryBytes += report.memoryBytes;
    for (const device of report.devices) sum.vramBytes += device.vramBytes;
  }
  return sum;
}
