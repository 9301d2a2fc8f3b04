/** A grid on which a plan cannot look at everybody: three hundred workers, one in twenty of them of a model that is far faster. */
import type { Reservation } from '@gryphgen/protocol';
import { describe, expect, it } from 'vitest';
import { Demand } from '../demand.ts';
import { reserve } from '../ledger.ts';
import { defaultPolicy } from '../placement-policy.ts';
import { Placer } from '../placer.ts';
import { worker } from '../reference-grid.fixture.ts';
import { Roster } from '../roster.ts';
import { type Shape, shapeKey } from '../shape.ts';
import { FinishPlanner } from './finish-planner.ts';
import { LearnedForecast } from './learned-forecast.ts';
import { Shortlist } from './shortlist.ts';

const cpuMilli = 1000;
const resources = { cpuMilli, memoryBytes: 0, diskBytes: 0 };
const shape: Shape = { kind: 'process', resources, constraints: { labels: {} } };
const task = { shape, taskClass: 'train', inputBytes: 0 };
const reservation: Reservation = { ...resources, devices: [] };
const isFast = (at: number) => at % 20 === 7;
const name = (at: number) => `w-${String(at).padStart(3, '0')}`;

/** One fast worker and one other are known; the rest by their models alone. */
function grid(workers = 300) {
  const views = Array.from({ length: workers }, (_, at) =>
    worker(name(at), { capabilities: ['process'], cpuMilli, images: [] }),
  );
  const roster = new Roster(views);
  const forecast = new LearnedForecast((view) =>
    view.ledger.attempts === 0 ? [] : [{ task, reservation, ranMs: 0 }],
  );
  const demand = new Demand();
  const policies = { inForce: defaultPolicy };
  for (const [at, { id }] of views.entries()) forecast.runs.describeSeat(id, isFast(at) ? 'new' : 'old', 0);
  for (let run = 0; run < 8; run += 1)
    for (const [at, runMs] of [
      [7, 10_000],
      [0, 100_000],
    ] as const)
      forecast.learn({ task, worker: name(at), reservation, runMs, usage: null });
  // None is due for now.
  forecast.tried(task);
  const shortlist = new Shortlist(new Placer(roster), forecast, demand, policies);
  const planner = new FinishPlanner(forecast, demand, policies, shortlist);
  return { views, shortlist, planner, forecast };
}

describe('on a large grid a task', () => {
  it('goes to a worker of a model that is known to be fast, where it never ran', () => {
    const { views, planner } = grid();
    const [known] = views.filter((_, at) => at === 7);
    if (known !== undefined) reserve(known.ledger, reservation);
    const plan = planner.plan(task, views, 1);
    if (plan?.kind !== 'now') throw new Error(`nothing goes now: ${plan?.kind}`);
    expect(isFast(Number(plan.placement.worker.slice(2)))).toBe(true);
    expect(plan.finishMs).toBeLessThan(20_000);
  });

  it('waits for a fast one where all are busy, as on a small grid', () => {
    const { views, planner } = grid();
    for (const [at, { ledger }] of views.entries()) if (isFast(at)) reserve(ledger, reservation);
    expect(planner.plan(task, views, 1)).toMatchObject({ kind: 'later' });
    expect(planner.plan(task, views, 1, false)).toMatchObject({ kind: 'now' });
  });

  it('is planned with some tens of workers, however many there are', () => {
    const { views, shortlist, planner, forecast } = grid(1500);
    const runsOf = forecast.runsOf(task) ?? (() => 0);
    const compared = shortlist.of(task, 50_000, shapeKey(shape), runsOf);
    expect(compared.length).toBeLessThanOrEqual(32);
    expect(new Set(compared).size).toBe(compared.length);
    expect(compared.filter(({ id }) => isFast(Number(id.slice(2)))).length).toBeGreaterThan(10);
    expect(planner.outlooks(task, views).length).toBe(compared.length);
  });

  it('is placed by scores alone where nothing was learned', () => {
    const { views, planner } = grid();
    const other = { ...task, shape: { ...shape, kind: 'container' as const }, taskClass: 'other' };
    expect(planner.plan(other, views, 1)).toBeUndefined();
  });
});
