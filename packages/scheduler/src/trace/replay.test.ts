import { describe, expect, it } from 'vitest';
import { type PolicyName, policyNames, replay } from './replay.ts';
import { type FreeNode, fits, freeNode, type TraceNode, type TraceTask, take } from './trace.ts';

const nodes: readonly TraceNode[] = Array.from({ length: 6 }, (_, at) => ({
  name: `n${at}`,
  cpuMilli: 16_000,
  memoryMiB: 65_536,
  gpuCount: 1 + (at % 4),
  model: at < 3 ? 'T4' : 'P100',
}));
const asks: readonly (readonly [gpuCount: number, gpuMilli: number, models: readonly string[]])[] = [
  [0, 0, []],
  [1, 250, []],
  [1, 600, ['T4']],
  [1, 1000, []],
  [2, 1000, ['P100']],
];
const tasks: readonly TraceTask[] = Array.from({ length: 40 }, (_, at) => {
  const [gpuCount, gpuMilli, models] = asks[at % asks.length] as (typeof asks)[number];
  return { name: `t${at}`, cpuMilli: 500 * (1 + (at % 3)), memoryMiB: 1024, gpuCount, gpuMilli, models };
});

interface Arrival {
  readonly task: TraceTask;
  readonly node: number | undefined;
  readonly gpus: readonly number[];
}

function run(policy: PolicyName, seed: number, ratio = 1.5) {
  const arrivals: Arrival[] = [];
  const result = replay({
    nodes,
    tasks,
    policy,
    ratio,
    seed,
    onArrival: (arrival, task, choice) => {
      expect(arrival).toBe(arrivals.length);
      arrivals.push({ task, node: choice?.node, gpus: choice?.gpus ?? [] });
    },
  });
  return { arrivals, result };
}

describe.each(policyNames)('policy %s', (policy) => {
  it('places each task where there is room, drops it only where there is none, and counts right', () => {
    const { arrivals, result } = run(policy, 7);
    const free = nodes.map(freeNode);
    let allocated = 0;
    for (const { task, node, gpus } of arrivals) {
      if (node === undefined) expect(free.some((each) => fits(each, task))).toBe(false);
      else {
        take(free[node] as FreeNode, task, gpus);
        allocated += task.gpuCount * task.gpuMilli;
      }
    }
    const all = nodes.reduce((sum, { gpuCount }) => sum + 1000 * gpuCount, 0);
    const placed = arrivals.filter(({ node }) => node !== undefined).length;
    expect(placed).toBeLessThan(arrivals.length);
    expect(result).toMatchObject({
      gpus: all / 1000,
      arrived: arrivals.length,
      placed,
      dropped: arrivals.length - placed,
    });
    expect(result.allocAtRatio).toBeCloseTo((100 * allocated) / all);
  });

  it('does the same again with the same seed, and something else with another', () => {
    expect(run(policy, 7)).toEqual(run(policy, 7));
    expect(run(policy, 8).arrivals).not.toEqual(run(policy, 7).arrivals);
  });
});

describe('arrivals', () => {
  it('are the same for every policy: each task once, then any of them, up to the ratio', () => {
    const orders = policyNames.map((policy) => run(policy, 3, 4).arrivals.map(({ task }) => task.name));
    for (const order of orders) expect(order).toEqual(orders[0]);
    const [order = []] = orders;
    expect([...order.slice(0, tasks.length)].sort()).toEqual(tasks.map(({ name }) => name).sort());
    const asked = (names: readonly string[]) =>
      names.reduce((sum, name) => {
        const { gpuCount, gpuMilli } = tasks.find((task) => task.name === name) as TraceTask;
        return sum + gpuCount * gpuMilli;
      }, 0);
    const all = nodes.reduce((sum, { gpuCount }) => sum + 1000 * gpuCount, 0);
    expect(asked(order)).toBeGreaterThanOrEqual(4 * all);
    expect(asked(order.slice(0, -1))).toBeLessThan(4 * all);
  });

  it('tell nothing of a whole cluster when they end before', () => {
    expect(run('random', 1, 0.5).result.allocAt100).toBeNull();
  });

  it('that can never ask for enough are refused', () => {
    const without = tasks.filter(({ gpuCount }) => gpuCount === 0);
    const options = { policy: 'random', ratio: 1, seed: 1 } as const;
    expect(() => replay({ ...options, nodes, tasks: without })).toThrow(RangeError);
    expect(() => replay({ ...options, nodes: [], tasks })).toThrow(RangeError);
  });
});

it('a policy that places what does not fit is found out', () => {
  const free = freeNode(nodes[0] as TraceNode);
  const half: TraceTask = { name: 'half', cpuMilli: 1, memoryMiB: 1, gpuCount: 1, gpuMilli: 600, models: [] };
  take(free, half, [0]);
  expect(() => take(free, half, [0])).toThrow('half does not fit on n0, GPUs 0');
  expect(() => take(free, { ...half, gpuMilli: 100 }, [1])).toThrow('does not fit');
});
