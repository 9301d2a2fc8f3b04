/** What the benchmark of mixed workloads measures; a small version of it is in this folder's tests. */
import { LearnedForecast } from '../learn/learned-forecast.ts';
import { SeededRandom } from '../seeded-random.ts';
import { type GridName, machinesOf } from './machines.ts';
import { learned, type MixedPolicyName, mixedPolicies, underway } from './policies.ts';
import { type Completion, simulateMixed } from './simulate.ts';
import { mixedWorkload } from './workload.ts';

export interface MixedCell {
  readonly grid: GridName;
  readonly load: number;
  readonly seed: number;
  /** Tasks from which to learn, and those after them of which completions count. */
  readonly taught: number;
  readonly measured: number;
}

/** Tasks that keep the load up until the last measured have ended. */
const behind = 200;

/** Completions under a policy, from the first task on. */
export function completionsOf(
  { grid, load, seed, taught, measured }: MixedCell,
  policy: MixedPolicyName,
): readonly Completion[] {
  const random = new SeededRandom(`${grid} ${load} ${seed}`);
  const machines = machinesOf(grid, random.split('machines'));
  const workload = mixedWorkload(machines, load, taught + measured + behind, random.split('workload'));
  return simulateMixed({ machines, workload, policy: mixedPolicies[policy] });
}

/** Those of the jobs whose first task is among these tasks, in ms. */
export function completedFrom(completions: readonly Completion[], from: number, count: number): number[] {
  return completions.filter(({ first }) => first >= from && first < from + count).map(({ ms }) => ms);
}

/** Runs that ended on a machine after it became so many times slower, until what is expected there has doubled; all of them where it never did. */
export function runsUntilNoticed(
  { grid, load, seed, taught, measured }: MixedCell,
  machine: number,
  times: number,
): { readonly runs: number; readonly isNoticed: boolean } {
  const random = new SeededRandom(`${grid} ${load} ${seed}`);
  const machines = machinesOf(grid, random.split('machines'));
  const workload = mixedWorkload(machines, load, taught + measured, random.split('workload'));
  const at = workload.tasks[taught]?.at ?? 0;
  const slow = machines[machine]?.id ?? '';
  const classes = [...new Set(workload.tasks.filter(({ of }) => of.bySpeed > 0).map(({ of }) => of.name))];
  let expected = (): readonly number[] => [];
  let before: readonly number[] | undefined;
  let runs = 0;
  let isNoticed = false;
  simulateMixed({
    machines,
    workload,
    slowed: { machine, at, times },
    policy: (world) => {
      const forecast = new LearnedForecast((view) => underway(world, view));
      expected = () => classes.map((name) => forecast.runs.run(name, slow)?.p50Ms ?? 0);
      return learned(world, forecast);
    },
    ended: ({ view, index, leasedAt }) => {
      const bySpeed = workload.tasks[index]?.of.bySpeed ?? 0;
      if (view.id !== slow || bySpeed === 0 || leasedAt < at || isNoticed) return;
      before ??= expected();
      runs += 1;
      const ratios = expected().map((ms, index) => ms / (before?.[index] || 1));
      isNoticed = ratios.filter((ratio) => ratio >= 2).length > ratios.length / 2;
    },
  });
  return { runs, isNoticed };
}
