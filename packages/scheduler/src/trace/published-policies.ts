/** The policies that others have published figures of, as the artifact of Weng et al. (USENIX ATC 2023) has them. */
import type { SeededRandom } from '../seeded-random.ts';
import { fragmentOf, type TypicalTask } from './fragmentation.ts';
import { type Choice, gpusFor, isPart, type Policy, type Score, wholeGpus } from './policy.ts';
import { askedOf, type FreeNode, fits, type TraceTask } from './trace.ts';

/** Any node that has room, any of its GPUs. */
export class RandomChoice implements Policy {
  private readonly nodes: readonly FreeNode[];
  private readonly random: SeededRandom;

  constructor(nodes: readonly FreeNode[], random: SeededRandom) {
    this.nodes = nodes;
    this.random = random;
  }

  choose(task: TraceTask): Choice | undefined {
    const roomy: number[] = [];
    for (const [at, node] of this.nodes.entries()) if (fits(node, task)) roomy.push(at);
    if (roomy.length === 0) return undefined;
    const node = this.random.pick(roomy);
    const free = this.nodes[node] as FreeNode;
    return { node, gpus: isPart(task) ? [this.random.pick(gpusFor(free, task))] : wholeGpus(free, task) };
  }

  placed(): void {
    // The free nodes are all it looks at.
  }
}

const largestCpuMilli = 128_000;
const largestGpuMilli = 8000;

/** The node with least left over, CPU and GPU alike as shares of the largest node's; whole points of a hundred. */
export const bestFit: Score = (node, task) => {
  const cpu = (node.cpuMilli - task.cpuMilli) / largestCpuMilli;
  const gpu = (node.gpus.reduce((sum, free) => sum + free, 0) - askedOf(task)) / largestGpuMilli;
  return { score: Math.floor(100 * (1 - (cpu + gpu) / 2)), gpus: tightest(node, task) };
};

function tightest(node: FreeNode, task: TraceTask): readonly number[] {
  if (!isPart(task)) return wholeGpus(node, task);
  const [first = 0, ...others] = gpusFor(node, task);
  const free = (gpu: number) => node.gpus[gpu] as number;
  return [others.reduce((best, gpu) => (free(gpu) < free(best) ? gpu : best), first)];
}

/** Fragmentation gradient descent: where what the workload cannot use grows least; whole points of a sigmoid. */
export function fragmentationDescent(workload: readonly TypicalTask[]): Score {
  return (node, task) => {
    const before = fragmentOf(node, workload);
    let best = { score: Number.NEGATIVE_INFINITY, gpus: [] as readonly number[] };
    for (const gpus of waysOf(node, task)) {
      const score = Math.floor(100 * sigmoid((before - fragmentWith(node, task, gpus, workload)) / 1000));
      if (score > best.score) best = { score, gpus };
    }
    return best;
  };
}

function waysOf(node: FreeNode, task: TraceTask): readonly (readonly number[])[] {
  return isPart(task) ? gpusFor(node, task).map((gpu) => [gpu]) : [wholeGpus(node, task)];
}

function fragmentWith(
  node: FreeNode,
  task: TraceTask,
  taken: readonly number[],
  workload: readonly TypicalTask[],
): number {
  const gpus = node.gpus.map((free, gpu) => (taken.includes(gpu) ? free - task.gpuMilli : free));
  return fragmentOf({ cpuMilli: node.cpuMilli - task.cpuMilli, gpus, model: node.model }, workload);
}

function sigmoid(value: number): number {
  return 1 / (1 + Math.exp(-value));
}
