/**
 * A trace of placement: nodes with equal GPUs of one model each, and tasks that arrive one by one and never end.
 *
 * 1. A task of one GPU may ask for a part of it, in thousandths; a task of more takes whole ones.
 */

export interface TraceNode {
  readonly name: string;
  readonly cpuMilli: number;
  readonly memoryMiB: number;
  readonly gpuCount: number;
  readonly model: string;
}

export interface TraceTask {
  readonly name: string;
  readonly cpuMilli: number;
  readonly memoryMiB: number;
  readonly gpuCount: number;
  /** Of each GPU, of 1000; 0 when it asks for none. */
  readonly gpuMilli: number;
  /** GPU models that will do; none named: all will. */
  readonly models: readonly string[];
}

/** What is free on a node; changes as tasks are placed. */
export interface FreeNode {
  readonly name: string;
  readonly model: string;
  cpuMilli: number;
  memoryMiB: number;
  /** Thousandths of each GPU. */
  readonly gpus: number[];
}

export const wholeGpu = 1000;

export function freeNode({ name, model, cpuMilli, memoryMiB, gpuCount }: TraceNode): FreeNode {
  return { name, model, cpuMilli, memoryMiB, gpus: new Array<number>(gpuCount).fill(wholeGpu) };
}

/** All that the task asks for, in thousandths of a GPU. */
export function askedOf({ gpuCount, gpuMilli }: Pick<TraceTask, 'gpuCount' | 'gpuMilli'>): number {
  return gpuCount * gpuMilli;
}

export function suits(model: string, { models }: Pick<TraceTask, 'models'>): boolean {
  return models.length === 0 || models.includes(model);
}

export function fits(node: FreeNode, task: TraceTask): boolean {
  if (node.cpuMilli < task.cpuMilli || node.memoryMiB < task.memoryMiB) return false;
  if (task.gpuCount === 0) return true;
  if (!suits(node.model, task)) return false;
  let found = 0;
  for (const free of node.gpus) if (free >= task.gpuMilli) found += 1;
  return found >= task.gpuCount;
}

/** Throws when it does not fit there: a policy that placed it has a fault. */
export function take(node: FreeNode, task: TraceTask, gpus: readonly number[]): void {
  const isRight = gpus.length === task.gpuCount && new Set(gpus).size === gpus.length;
  if (!isRight || !fits(node, task) || gpus.some((gpu) => (node.gpus[gpu] ?? 0) < task.gpuMilli))
    throw new Error(`${task.name} does not fit on ${node.name}, GPUs ${gpus.join(' ')}`);
  node.cpuMilli -= task.cpuMilli;
  node.memoryMiB -= task.memoryMiB;
  for (const gpu of gpus) node.gpus[gpu] = (node.gpus[gpu] ?? 0) - task.gpuMilli;
}

/** Equal exactly when no policy can tell the tasks apart. */
export function keyOfTask({ cpuMilli, memoryMiB, gpuCount, gpuMilli, models }: TraceTask): string {
  return `${cpuMilli} ${memoryMiB} ${gpuCount} ${gpuMilli} ${models.join('|')}`;
}
