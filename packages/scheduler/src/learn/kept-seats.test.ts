/** A planner that keeps what it found plans as one that looks at everything anew, whatever has changed since. */
import type { DeviceUuid, Reservation } from '@gryphgen/protocol';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { Demand } from '../demand.ts';
import { release, reserve } from '../ledger.ts';
import { defaultPolicy } from '../placement-policy.ts';
import { Placer } from '../placer.ts';
import { GiB, gtx1060, part, report, rtx3060, shape, whole, worker } from '../reference-grid.fixture.ts';
import { Roster } from '../roster.ts';
import { type Shape, shapeKey } from '../shape.ts';
import { changeView, type WorkerView } from '../worker-view.ts';
import { FinishPlanner } from './finish-planner.ts';
import { LearnedForecast, type Underway } from './learned-forecast.ts';
import { Shortlist } from './shortlist.ts';

const shapes: readonly Shape[] = [
  shape(),
  shape(undefined, { cpuMilli: 3000, image: 'busybox' }),
  shape(part(5 * GiB)),
  shape(part(9 * GiB, { minComputeCapability: 80 }), { cpuMilli: 2000 }),
  shape(whole(1)),
  shape(whole(2)),
  shape(undefined, { kind: 'infer', model: 'tiny' }),
];
const tasks = shapes.map((one, at) => ({ shape: one, taskClass: `class ${at % 4}`, inputBytes: 0 }));

const changes = [
  { connected: false },
  { connected: true },
  { draining: true },
  { draining: false },
  { reliability: 0.5 },
  { models: new Map([['tiny', { slots: 2, isComing: false }]]) },
  { models: new Map() },
  { report: report({ devices: [gtx1060('b')], slots: 2 }) },
  { report: report({ devices: [rtx3060('a'), gtx1060('b')], images: ['busybox:latest'] }) },
];

interface Step {
  readonly kind: 'plan' | 'end' | 'change' | 'policy';
  readonly task: number;
  readonly worker: number;
  readonly change: number;
}

const nat = fc.nat({ max: 100 });
const kind = fc.oneof(
  { weight: 6, arbitrary: fc.constant('plan' as const) },
  { weight: 3, arbitrary: fc.constant('end' as const) },
  { weight: 3, arbitrary: fc.constant('change' as const) },
  { weight: 1, arbitrary: fc.constant('policy' as const) },
);
const step: fc.Arbitrary<Step> = fc.record({ kind, task: nat, worker: nat, change: nat });

class Grid {
  private readonly views: readonly WorkerView[];
  private readonly demand = new Demand();
  private readonly policies = { inForce: defaultPolicy };
  private readonly roster: Roster;
  private readonly running: (Underway & { readonly view: WorkerView; readonly reservation: Reservation })[] =
    [];
  /** Both are taught the same, so that a try by one planner is none of the other's. */
  private readonly forecasts = [this.newForecast(), this.newForecast()] as const;
  private readonly kept: FinishPlanner;

  constructor(workers: number) {
    this.views = Array.from({ length: workers }, (_, at) =>
      worker(`w-${at}`, {
        devices: at % 2 === 0 ? [rtx3060(`a${at}`), gtx1060(`b${at}`)] : [],
        capabilities: ['container', 'infer'],
        slots: 3,
      }),
    );
    this.roster = new Roster(this.views);
    this.kept = this.newPlanner(this.forecasts[0]);
    for (const [at, { id, report: has }] of this.views.entries())
      for (const task of tasks)
        this.learn(task, id, has?.devices[0]?.uuid, 20_000 / (1 + ((at + tasks.indexOf(task)) % 3)));
  }

  take({ kind: what, task, worker: at, change }: Step): void {
    const view = this.views[at % this.views.length] as WorkerView;
    if (what === 'plan') this.plan(tasks[task % tasks.length] as (typeof tasks)[number]);
    else if (what === 'end') this.end(task);
    else if (what === 'change') changeView(view, changes[change % changes.length] as object);
    else this.policies.inForce = { ...defaultPolicy, version: change, waitGain: 1 };
  }

  private plan(task: (typeof tasks)[number]): void {
    this.demand.note(shapeKey(task.shape), task.shape);
    const afresh = this.newPlanner(this.forecasts[1]);
    this.kept.begin();
    const plan = this.kept.plan(task, this.views, 2);
    expect(plan).toEqual(afresh.plan(task, this.views, 2));
    expect(this.kept.outlooks(task, this.views)).toEqual(afresh.outlooks(task, this.views));
    expect(this.kept.mistakenOf()).toBeUndefined();
    if (plan?.kind !== 'now') return;
    const view = this.views.find(({ id }) => id === plan.placement.worker) as WorkerView;
    const { reservation } = plan.placement;
    reserve(view.ledger, reservation);
    this.running.push({ task, view, reservation, ranMs: 1000 });
  }

  private end(which: number): void {
    const [ended] = this.running.splice(which % Math.max(1, this.running.length), 1);
    if (ended === undefined) return;
    const { task, view, reservation } = ended;
    release(view.ledger, reservation);
    for (const forecast of this.forecasts)
      forecast.learn({ task, worker: view.id, reservation, runMs: 5000 + 100 * which, usage: null });
  }

  private learn(task: (typeof tasks)[number], id: string, uuid: DeviceUuid | undefined, runMs: number): void {
    const { resources } = task.shape;
    const devices =
      uuid === undefined || resources.gpu === undefined ? [] : [{ uuid, vramBytes: 0, whole: false }];
    for (const forecast of this.forecasts)
      forecast.learn({ task, worker: id, reservation: { ...resources, devices }, runMs, usage: null });
  }

  private newForecast(): LearnedForecast {
    return new LearnedForecast((view) => this.running.filter((one) => one.view === view), this.policies);
  }

  private newPlanner(forecast: LearnedForecast): FinishPlanner {
    const { demand, policies } = this;
    const shortlist = new Shortlist(new Placer(this.roster), forecast, demand, policies);
    return new FinishPlanner(forecast, demand, policies, shortlist);
  }
}

describe.each([4, 70])('on a grid of %d', (workers) => {
  it('what is kept of workers is what is found of them', () => {
    fc.assert(
      fc.property(fc.array(step, { maxLength: 40 }), (steps) => {
        const grid = new Grid(workers);
        for (const each of steps) grid.take(each);
      }),
      { numRuns: workers > 64 ? 20 : 100 },
    );
  });
});

it('of a worker that changed without saying so something is kept that is not so, and it is not taken', () => {
  const views = [worker('w-a')];
  const [task] = tasks;
  if (task === undefined) throw new Error('there are tasks');
  const forecast = new LearnedForecast(() => []);
  const reservation = { cpuMilli: 1000, memoryBytes: 0, diskBytes: 0, devices: [] };
  forecast.learn({ task, worker: 'w-a', reservation, runMs: 20_000, usage: null });
  const planner = new FinishPlanner(forecast);
  expect(planner.plan(task, views, 1)).toMatchObject({ kind: 'now', placement: { worker: 'w-a' } });
  expect(planner.mistakenOf()).toBeUndefined();
  Object.assign(views[0] as WorkerView, { connected: false });
  expect(planner.mistakenOf()).toBe(views[0]);
  expect(planner.plan(task, views, 1)).toBeUndefined();
});
