/**
 * A mixed workload on a simulated grid: tasks arrive, go where a policy says, pull, run and end. Waiting tasks stand in
 * lines, of which the first are tried in their order whenever something has changed: as in the broker.
 */
import type { WorkerView } from '../worker-view.ts';
import type { Machine } from './machines.ts';
import type { MixedPolicy } from './policies.ts';
import type { MixedClass, MixedTask, MixedWorkload } from './workload.ts';
import { type Run, World } from './world.ts';

export interface Completion {
  /** The first of its tasks, by place in the workload. */
  readonly first: number;
  /** From its arrival to the end of its last task. */
  readonly ms: number;
}

export interface MixedRun {
  readonly machines: readonly Machine[];
  readonly workload: MixedWorkload;
  readonly policy: (world: World) => MixedPolicy;
  readonly slowed?: { readonly machine: number; readonly at: number; readonly times: number };
  /** Told of each end, when the policy has been. */
  readonly ended?: (run: Run, world: World) => void;
}

/** One completion for each job, in the order of their arrival. */
export function simulateMixed({
  machines,
  workload,
  policy: of,
  slowed,
  ended,
}: MixedRun): readonly Completion[] {
  const { tasks } = workload;
  const world = new World(machines, workload, slowed);
  const policy = of(world);
  const lines = new Map<MixedClass, number[]>();
  const underway: Run[] = [];
  const jobs = new Map<
    number,
    { readonly first: number; readonly at: number; left: number; endedAt: number }
  >();
  const open = tasks.map(({ after }) => after.length);
  const followers = followersOf(tasks);
  for (const [index, { job, at }] of tasks.entries()) {
    const known = jobs.get(job);
    if (known === undefined) jobs.set(job, { first: index, at, left: 1, endedAt: 0 });
    else known.left += 1;
  }
  const waits = (index: number): void => {
    const task = tasks[index] as MixedTask;
    const line = lines.get(task.of);
    if (line === undefined) lines.set(task.of, [index]);
    else line.push(index);
  };
  const end = (run: Run): void => {
    world.end(run);
    policy.ended?.(run);
    ended?.(run, world);
    const job = jobs.get(run.task.job) as { left: number; endedAt: number };
    job.left -= 1;
    job.endedAt = world.now;
    for (const next of followers.get(run.index) ?? []) {
      open[next] = (open[next] as number) - 1;
      if (open[next] === 0) waits(next);
    }
  };
  let arrived = 0;
  while (arrived < tasks.length || underway.length > 0) {
    const arrival = tasks[arrived]?.at ?? Number.POSITIVE_INFINITY;
    const ending = underway[0]?.endsAt ?? Number.POSITIVE_INFINITY;
    world.now = Math.min(arrival, ending);
    if (ending <= arrival) end(takeFirst(underway));
    else {
      policy.arrived?.(tasks[arrived] as MixedTask);
      if (open[arrived] === 0) waits(arrived);
      arrived += 1;
      if (tasks[arrived]?.at === arrival) continue;
    }
    for (const run of place(world, policy, lines, tasks)) addByEnd(underway, run);
  }
  return [...jobs.values()].map(({ first, at, endedAt }) => ({ first, ms: endedAt - at }));
}

function place(
  world: World,
  policy: MixedPolicy,
  lines: Map<MixedClass, number[]>,
  tasks: readonly MixedTask[],
): readonly Run[] {
  policy.begin?.();
  const started: Run[] = [];
  const candidateOf = (of: MixedClass, line: number[]): Candidate => {
    const index = line[0] as number;
    const task = tasks[index] as MixedTask;
    return { of, line, index, dueAt: policy.dueAt?.(task) ?? task.at };
  };
  const candidates = [...lines].map(([of, line]) => candidateOf(of, line)).sort(inOrder);
  while (candidates.length > 0) {
    const { of, line, index } = candidates.shift() as Candidate;
    const chosen = policy.choose(tasks[index] as MixedTask, line.length);
    if (chosen === undefined) continue;
    const view = world.views.find(({ id }) => id === chosen.worker) as WorkerView;
    started.push(world.start(index, view, chosen.reservation));
    line.shift();
    if (line.length === 0) lines.delete(of);
    else {
      const next = candidateOf(of, line);
      const behind = candidates.findIndex((other) => inOrder(other, next) > 0);
      candidates.splice(behind === -1 ? candidates.length : behind, 0, next);
    }
  }
  return started;
}

/** The first of a line. */
interface Candidate {
  readonly of: MixedClass;
  readonly line: number[];
  readonly index: number;
  readonly dueAt: number;
}

function inOrder(a: Candidate, b: Candidate): number {
  return a.dueAt - b.dueAt || a.index - b.index;
}

function followersOf(tasks: readonly MixedTask[]): ReadonlyMap<number, readonly number[]> {
  const followers = new Map<number, number[]>();
  for (const [index, { after }] of tasks.entries())
    for (const before of after) followers.set(before, [...(followers.get(before) ?? []), index]);
  return followers;
}

function addByEnd(underway: Run[], run: Run): void {
  let [low, high] = [0, underway.length];
  while (low < high) {
    const middle = (low + high) >> 1;
    if ((underway[middle] as Run).endsAt <= run.endsAt) low = middle + 1;
    else high = middle;
  }
  underway.splice(low, 0, run);
}

function takeFirst(underway: Run[]): Run {
  return underway.shift() as Run;
}
