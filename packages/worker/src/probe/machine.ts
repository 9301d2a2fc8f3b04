/** What the host has, apart from its devices. */
import { statfs } from 'node:fs/promises';
import { availableParallelism } from 'node:os';
import { cpu, mem } from 'systeminformation';

const GiB = 1024 ** 3;

export interface Machine {
  readonly cpuMilli: number;
  readonly memoryBytes: number;
  /** Free where the worker keeps its files, in whole GiB: it changes all the time, and nobody asks for less. */
  readonly diskBytes: number;
}

/** Where cgroups or affinity give this process less than the host has, the less counts. */
export async function probeMachine(home: string): Promise<Machine> {
  const [processor, memory, disk] = await Promise.all([cpu(), mem(), statfs(home)]);
  const constrained = process.constrainedMemory();
  return {
    cpuMilli: Math.min(processor.cores || Number.POSITIVE_INFINITY, availableParallelism()) * 1000,
    memoryBytes: constrained > 0 && constrained < memory.total ? constrained : memory.total,
    diskBytes: Math.floor((disk.bavail * disk.bsize) / GiB) * GiB,
  };
}
