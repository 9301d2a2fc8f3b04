/** Histories for tests of replays: what a broker would have recorded of two machines, each of which runs classes as it does. */
import type { PastTask, PlacementPolicy } from '@gryphgen/protocol';
import { LearnedForecast } from '../learn/learned-forecast.ts';
import type { Machine } from '../mixed/machines.ts';
import { learned, underway } from '../mixed/policies.ts';
import { simulateMixed } from '../mixed/simulate.ts';
import { report, shape } from '../reference-grid.fixture.ts';
import { SeededRandom } from '../seeded-random.ts';
import type { PastWorker } from './history.ts';

const startOfTime = 1_700_000_000_000;

/** The one that says it is slow comes first where all else is equal. */
const machines: readonly Machine[] = [0.5, 2].map((speed, at) => {
  const name = ['w-1-slow', 'w-2-swift'][at] as string;
  const said = report({ name, speed, cpuMilli: 64_000, slots: 64, devices: [] });
  return { id: name as Machine['id'], report: said, speed, pullBytesPerMs: 1 };
});
export const workers: readonly PastWorker[] = machines.map(({ id, report }) => ({ id, report }));

export interface PastClass {
  readonly name: string;
  /** Median run on the slow machine, and on the swift one. */
  readonly slowMs: number;
  readonly swiftMs: number;
}

/** Tasks that come every quarter of a second or so, of the class that `of` tells for each; every run differs by up to half. */
export function recorded(
  count: number,
  inForce: PlacementPolicy,
  of: (each: number) => PastClass,
): readonly PastTask[] {
  const random = new SeededRandom('recorded');
  const classes = new Map<
    string,
    { readonly name: string; readonly shape: ReturnType<typeof shape>; readonly medianMs: number }
  >();
  let at = 0;
  const factors: number[] = [];
  const tasks = Array.from({ length: count }, (_, job) => {
    at += random.exponential(250);
    factors.push(random.between(0.5, 1.5));
    const { name } = of(job);
    const known = classes.get(name) ?? { name, shape: shape(), medianMs: 0 };
    classes.set(name, known);
    return { at, of: known, inputBytes: 0, job, after: [] };
  });
  const past: PastTask[] = [];
  simulateMixed({
    machines,
    workload: {
      tasks,
      runMs: ({ job }, { id }) => {
        const { slowMs, swiftMs } = of(job);
        return (factors[job] as number) * (id === machines[0]?.id ? slowMs : swiftMs);
      },
      pullMs: () => 0,
    },
    policy: (world) =>
      learned(world, new LearnedForecast((view) => underway(world, view), { inForce }), { inForce }),
    ended: ({ index, task, view, leasedAt, beginsAt, endsAt }) => {
      past.push({
        task: index + 1,
        taskClass: task.of.name,
        shape: task.of.shape,
        inputBytes: 0,
        worker: view.id,
        queuedAt: startOfTime + task.at,
        placedAt: startOfTime + leasedAt,
        startedAt: startOfTime + beginsAt,
        endedAt: startOfTime + endsAt,
      });
    },
  });
  return past;
}
