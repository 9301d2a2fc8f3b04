/**
 * Who decides where the tasks of a mixed workload go. All but the last know what the scheduler is told: what a task asks
 * for, its class, its image, the bytes of its inputs.
 */
import type { Reservation, WorkerId } from '@gryphgen/protocol';
import { Demand } from '../demand.ts';
import { FinishPlanner } from '../learn/finish-planner.ts';
import type { Forecast, Foretold, RunsOf } from '../learn/forecast.ts';
import { LearnedForecast, type Underway } from '../learn/learned-forecast.ts';
import type { Ending } from '../learn/lines.ts';
import { toldSeats } from '../learn/told-seats.ts';
import { place } from '../place.ts';
import { defaultInForce, type PolicyInForce } from '../placement-policy.ts';
import { isFeasible } from '../predicates.ts';
import { shapeKey } from '../shape.ts';
import type { WorkerView } from '../worker-view.ts';
import type { MixedClass, MixedTask } from './workload.ts';
import type { Run, World } from './world.ts';

export interface MixedPolicy {
  /** A new look at all that waits. */
  begin?(): void;
  /** It was accepted. */
  arrived?(task: MixedTask): void;
  /** When it counts as having come, by which its turn is; missing: when it did. */
  dueAt?(task: MixedTask): number;
  /** `queued`: of its line. Undefined: it waits. */
  choose(
    task: MixedTask,
    queued: number,
  ): { readonly worker: WorkerId; readonly reservation: Reservation } | undefined;
  ended?(run: Run): void;
}

export const mixedPolicies = {
  'round-robin': roundRobin,
  'least-loaded': (world: World) => byScore(world, (view) => -heldShare(view)),
  /** Nomad's: 20 - (10^free CPU + 10^free memory), after Google's "BestFit v3". */
  'bin-packing': (world: World) =>
    byScore(world, (view) => {
      const { report, ledger } = view;
      if (report === null) return 0;
      const cpu = 1 - ledger.cpuMilli / report.cpuMilli;
      const memory = 1 - ledger.memoryBytes / report.memoryBytes;
      return 20 - (10 ** cpu + 10 ** memory);
    }),
  /** Where it ends first, with perfect knowledge of every run to come. */
  'perfect-knowledge': (world: World) => withoutOrder(planned(world)),
  /** This grid's order and planning, told the truth: what is lost to it is lost by not knowing. */
  knowing: planned,
  /** This grid's where nothing is known of any class, and nothing is learned. */
  'scores-alone': ({ views }: World) => ({
    choose: ({ of }: MixedTask) => {
      const placement = place(of.shape, views);
      return placement.kind === 'placed' ? placement : undefined;
    },
  }),
  /** This grid's. */
  learned: (world: World) => learned(world, new LearnedForecast((view) => underway(world, view))),
} as const satisfies Readonly<Record<string, (world: World) => MixedPolicy>>;
export type MixedPolicyName = keyof typeof mixedPolicies;

function roundRobin({ views }: World): MixedPolicy {
  let next = 0;
  return {
    choose({ of }) {
      for (let tried = 0; tried < views.length; tried += 1) {
        const view = views[(next + tried) % views.length] as WorkerView;
        if (view.report === null || !isFeasible(of.shape, view, view.report)) continue;
        next = (next + tried + 1) % views.length;
        return placedOn(of.shape, view);
      }
      return undefined;
    },
  };
}

function byScore({ views }: World, score: (view: WorkerView) => number): MixedPolicy {
  return {
    choose({ of }) {
      let best: WorkerView | undefined;
      let highest = Number.NEGATIVE_INFINITY;
      for (const view of views) {
        if (view.report === null || !isFeasible(of.shape, view, view.report)) continue;
        const scored = score(view);
        if (scored <= highest) continue;
        highest = scored;
        best = view;
      }
      return best && placedOn(of.shape, best);
    },
  };
}

/** Of processors, or where that is more of devices. */
function heldShare({ report, ledger }: WorkerView): number {
  if (report === null) return 0;
  const [held, total] = report.devices.reduce(
    ([sum, all], { uuid, vramBytes }) => [sum + (ledger.devices.get(uuid)?.vramBytes ?? 0), all + vramBytes],
    [0, 0],
  );
  return Math.max(ledger.cpuMilli / report.cpuMilli, total === 0 ? 0 : held / total);
}

function placedOn(shape: MixedTask['of']['shape'], view: WorkerView) {
  const placement = place(shape, [view]);
  return placement.kind === 'placed' ? placement : undefined;
}

function foretold({ of, inputBytes }: MixedTask): Foretold {
  return { shape: of.shape, taskClass: of.name, inputBytes };
}

export function underway({ runs, now }: World, view: WorkerView): Iterable<Underway> {
  return [...(runs.get(view) ?? [])].map(({ task, reservation, beginsAt }) => ({
    task: foretold(task),
    reservation,
    ranMs: beginsAt > now ? null : now - beginsAt,
  }));
}

/** As the broker does it: in its order, by the plan where there is one, else by the scores. */
export function learned(
  world: World,
  forecast: LearnedForecast,
  policies: PolicyInForce = defaultInForce,
): MixedPolicy {
  for (const { id, report } of world.views)
    if (report !== null) for (const seat of toldSeats(id, report)) forecast.runs.describeSeat(...seat);
  const demand = new Demand();
  const planner = new FinishPlanner(forecast, demand, policies);
  const keys = new Map<MixedClass, string>();
  return {
    begin: () => planner.begin(),
    arrived({ of }) {
      const key = keys.get(of) ?? shapeKey(of.shape);
      keys.set(of, key);
      demand.note(key, of.shape);
    },
    dueAt: (task) => task.at + planner.yieldsMs(foretold(task)),
    choose(task, queued) {
      const plan = planner.plan(foretold(task), world.views, queued);
      if (plan?.kind === 'later') return undefined;
      const placement =
        plan?.placement ?? place(task.of.shape, world.views, demand.typical, policies.inForce);
      if (placement.kind !== 'placed') return undefined;
      planner.changed(placement.worker);
      return placement;
    },
    ended({ task, view, reservation, leasedAt, beginsAt, endsAt }) {
      const { image } = task.of.shape;
      if (image !== undefined && beginsAt > leasedAt) forecast.learnFetch(image, view, beginsAt - leasedAt);
      const runMs = endsAt - beginsAt;
      forecast.learn({ task: foretold(task), worker: view.id, reservation, runMs, usage: null });
    },
  };
}

/** The same, told the truth. */
function planned(world: World): MixedPolicy {
  const forecast = new PerfectForecast(world);
  const planner = new FinishPlanner(forecast);
  return {
    begin: () => planner.begin(),
    dueAt(task) {
      forecast.task = task;
      return task.at + planner.yieldsMs(foretold(task));
    },
    choose(task, queued) {
      forecast.task = task;
      const plan = planner.plan(foretold(task), world.views, queued);
      if (plan?.kind !== 'now') return undefined;
      planner.changed(plan.placement.worker);
      return plan.placement;
    },
  };
}

/** By arrival alone. */
function withoutOrder({ dueAt: _, ...policy }: MixedPolicy): MixedPolicy {
  return policy;
}

class PerfectForecast implements Forecast {
  private readonly world: World;
  /** That is asked about. */
  task: MixedTask | undefined;

  constructor(world: World) {
    this.world = world;
  }

  runsOf(): RunsOf {
    return (view, device) => this.world.runMs(this.task as MixedTask, view, device);
  }

  typicalMs(): number {
    return Math.max(1000, (this.task as MixedTask).of.medianMs);
  }

  isGuessed(): boolean {
    return false;
  }

  isWellKnown(): boolean {
    return true;
  }

  fetchMs(_: Foretold, view: WorkerView): number {
    return this.world.fetchMs(this.task as MixedTask, view);
  }

  endings(view: WorkerView): readonly Ending[] {
    const { runs, now } = this.world;
    return [...(runs.get(view) ?? [])].map(({ endsAt, reservation }) => ({
      inMs: endsAt - now,
      reservation,
    }));
  }

  isWorthTrying(): boolean {
    return false;
  }

  tried(): void {}
}
