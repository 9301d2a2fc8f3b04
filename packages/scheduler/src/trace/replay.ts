/**
 * Places a trace's tasks one by one, as they arrive, and says how much of the cluster's GPUs they took.
 *
 * 1. Arrivals: the tasks shuffled, then tasks drawn again at random, until what all ask for together reaches `ratio`
 *    times the cluster's GPUs. One seed, one order, for every policy.
 * 2. Each is placed on arrival or dropped when no node has room; nothing ends, nothing moves.
 * 3. What a policy chooses is checked against the free nodes before it counts.
 */
import { SeededRandom } from '../seeded-random.ts';
import { typicalTasks } from './fragmentation.ts';
import { OwnPlacement } from './own-policy.ts';
import { BestScore, type Choice, type Policy } from './policy.ts';
import { bestFit, fragmentationDescent, RandomChoice } from './published-policies.ts';
import {
  askedOf,
  type FreeNode,
  fits,
  freeNode,
  type TraceNode,
  type TraceTask,
  take,
  wholeGpu,
} from './trace.ts';

export const policyNames = ['default', 'fgd', 'bestfit', 'random'] as const;
export type PolicyName = (typeof policyNames)[number];

export interface ReplayOptions {
  readonly nodes: readonly TraceNode[];
  readonly tasks: readonly TraceTask[];
  readonly policy: PolicyName;
  readonly ratio: number;
  readonly seed: number;
  /** Told of each arrival in turn, from 0; `choice` is undefined where it was dropped. */
  readonly onArrival?: (arrival: number, task: TraceTask, choice: Choice | undefined) => void;
}

export interface ReplayResult {
  readonly gpus: number;
  readonly arrived: number;
  readonly placed: number;
  readonly dropped: number;
  /** Percent of the cluster's GPUs, when arrivals had asked for all of them once; null when `ratio` is below 1. */
  readonly allocAt100: number | null;
  /** The same when they had asked for `ratio` times all. */
  readonly allocAtRatio: number;
}

/** Throws RangeError when the ratio can never be reached: no GPUs, or no task that asks for one. */
export function replay({ nodes, tasks, policy: name, ratio, seed, onArrival }: ReplayOptions): ReplayResult {
  const gpus = nodes.reduce((sum, { gpuCount }) => sum + gpuCount, 0);
  if (gpus === 0) throw new RangeError('no node has a GPU');
  if (tasks.every((task) => askedOf(task) === 0)) throw new RangeError('no task asks for a GPU');
  const all = gpus * wholeGpu;
  const random = new SeededRandom(seed);
  const free = nodes.map(freeNode);
  const policy = policyOf(name, { nodes, free, tasks, random: random.split('policy') });
  let arrived = 0;
  let placed = 0;
  let asked = 0;
  let allocated = 0;
  let allocAt100: number | null = null;
  for (const task of arrivals(tasks, random.split('arrivals'))) {
    const choice = policy.choose(task);
    if (choice === undefined) refuseFalseDrop(free, task);
    else {
      take(free[choice.node] as FreeNode, task, choice.gpus);
      policy.placed(task, choice);
      placed += 1;
      allocated += askedOf(task);
    }
    onArrival?.(arrived, task, choice);
    arrived += 1;
    asked += askedOf(task);
    if (allocAt100 === null && asked >= all) allocAt100 = (100 * allocated) / all;
    if (asked >= ratio * all) break;
  }
  return {
    gpus,
    arrived,
    placed,
    dropped: arrived - placed,
    allocAt100,
    allocAtRatio: (100 * allocated) / all,
  };
}

function policyOf(
  name: PolicyName,
  trace: Pick<ReplayOptions, 'nodes' | 'tasks'> & { free: readonly FreeNode[]; random: SeededRandom },
): Policy {
  const { nodes, free, tasks, random } = trace;
  switch (name) {
    case 'default':
      return new OwnPlacement(nodes, tasks);
    case 'fgd':
      return new BestScore(free, fragmentationDescent(typicalTasks(tasks)));
    case 'bestfit':
      return new BestScore(free, bestFit);
    case 'random':
      return new RandomChoice(free, random);
  }
}

/** Without end: whoever takes them stops at the ratio. */
function* arrivals(tasks: readonly TraceTask[], random: SeededRandom): Generator<TraceTask, never> {
  const left = [...tasks];
  for (let count = left.length; count > 0; count -= 1) {
    const at = random.int(0, count - 1);
    const task = left[at] as TraceTask;
    left[at] = left[count - 1] as TraceTask;
    yield task;
  }
  for (;;) yield random.pick(tasks);
}

function refuseFalseDrop(free: readonly FreeNode[], task: TraceTask): void {
  const roomy = free.find((node) => fits(node, task));
  if (roomy !== undefined) throw new Error(`${task.name} was dropped, and ${roomy.name} has room for it`);
}
