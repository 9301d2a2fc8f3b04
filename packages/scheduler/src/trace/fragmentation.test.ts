import { describe, expect, it } from 'vitest';
import { fragmentOf, typicalTasks } from './fragmentation.ts';
import type { TraceTask } from './trace.ts';

const task = (cpuMilli: number, gpuCount: number, gpuMilli: number, ...models: string[]): TraceTask => ({
  name: 't',
  cpuMilli,
  memoryMiB: 1,
  gpuCount,
  gpuMilli,
  models,
});
const node = { cpuMilli: 4000, gpus: [1000, 400, 0], model: 'T4' };

describe('what a workload cannot use of a node', () => {
  it.each([
    ['GPUs with less free than it asks for', task(1000, 1, 500), 400],
    ['nothing where each free GPU will do', task(1000, 1, 300), 0],
    ['everything when it asks for more CPU than is free', task(5000, 1, 300), 1400],
    ['everything when it asks for more GPUs than are free', task(1000, 2, 1000), 1400],
    ['everything when it asks for another model', task(1000, 1, 300, 'G2', 'P100'), 1400],
    ['everything when it asks for no GPU', task(1000, 0, 0), 1400],
  ])('is %s', (_, asked, fragment) => {
    expect(fragmentOf(node, typicalTasks([asked]))).toBe(fragment);
  });

  it('counts each task by its share of the workload', () => {
    const half = task(1000, 1, 500);
    const whole = task(1000, 2, 1000);
    expect(fragmentOf(node, typicalTasks([half, half, half, whole]))).toBeCloseTo(0.75 * 400 + 0.25 * 1400);
  });

  it('is nothing where nothing is free', () => {
    expect(fragmentOf({ ...node, gpus: [0, 0] }, typicalTasks([task(1, 1, 1)]))).toBe(0);
  });
});

describe('the typical tasks', () => {
  it('are the most frequent, as many as make 95 in a hundred, and their shares make one', () => {
    const often = Array.from({ length: 90 }, () => task(1, 1, 100));
    const seldom = Array.from({ length: 6 }, () => task(2, 1, 100));
    const once = Array.from({ length: 4 }, (_, at) => task(10 + at, 1, 100));
    expect(
      typicalTasks([...once, ...often, ...seldom]).map(({ cpuMilli, share }) => [cpuMilli, share]),
    ).toEqual([
      [1, 90 / 96],
      [2, 6 / 96],
    ]);
  });
});
