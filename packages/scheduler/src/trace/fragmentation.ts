/**
 * How much of a node's free GPUs a workload cannot use, in expectation: the measure of Weng et al., "Beware of
 * Fragmentation" (USENIX ATC 2023), as their published artifact computes it.
 *
 * 1. For a task that cannot run on the node as it is (GPUs, CPU or model), everything free is a fragment; for one that
 *    can, those GPUs that have less free than it asks for.
 * 2. The workload is its most frequent tasks, as many as make up 95 % of it. Memory does not count.
 */
import { type FreeNode, suits, type TraceTask } from './trace.ts';

export interface TypicalTask extends Pick<TraceTask, 'cpuMilli' | 'gpuCount' | 'gpuMilli' | 'models'> {
  /** Of the workload, 0..1. */
  readonly share: number;
}

const coveredShare = 0.95;

export function typicalTasks(tasks: readonly TraceTask[]): readonly TypicalTask[] {
  const counts = new Map<string, { readonly task: TraceTask; count: number }>();
  for (const task of tasks) {
    const key = `${task.cpuMilli} ${task.gpuCount} ${task.gpuMilli} ${task.models.join('|')}`;
    const known = counts.get(key);
    if (known === undefined) counts.set(key, { task, count: 1 });
    else known.count += 1;
  }
  const byCount = [...counts.values()].sort((a, b) => b.count - a.count || byAmount(b.task, a.task));
  const chosen: typeof byCount = [];
  let covered = 0;
  for (const each of byCount) {
    if (covered >= coveredShare * tasks.length) break;
    chosen.push(each);
    covered += each.count;
  }
  return chosen.map(({ task: { cpuMilli, gpuCount, gpuMilli, models }, count }) => {
    return { cpuMilli, gpuCount, gpuMilli, models, share: count / covered };
  });
}

function byAmount(a: TraceTask, b: TraceTask): number {
  return a.cpuMilli - b.cpuMilli || a.gpuMilli - b.gpuMilli || a.gpuCount - b.gpuCount;
}

/** In thousandths of a GPU. */
export function fragmentOf(
  { cpuMilli, gpus, model }: Pick<FreeNode, 'cpuMilli' | 'gpus' | 'model'>,
  workload: readonly TypicalTask[],
): number {
  let free = 0;
  for (const gpu of gpus) free += gpu;
  if (free === 0) return 0;
  let fragment = 0;
  for (const task of workload) {
    let usable = 0;
    let tooSmall = 0;
    for (const gpu of gpus) {
      if (gpu >= task.gpuMilli) usable += 1;
      else tooSmall += gpu;
    }
    const canRun =
      task.gpuCount > 0 && cpuMilli >= task.cpuMilli && usable >= task.gpuCount && suits(model, task);
    fragment += task.share * (canRun ? tooSmall : free);
  }
  return fragment;
}
