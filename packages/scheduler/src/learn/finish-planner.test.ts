/** Questions to a model that two workers have, one of which answers eight times slower. */
import type { Reservation, WorkerId } from '@gryphgen/protocol';
import { describe, expect, it } from 'vitest';
import { reserve } from '../ledger.ts';
import { worker } from '../reference-grid.fixture.ts';
import type { Shape } from '../shape.ts';
import { changeView, type WorkerView } from '../worker-view.ts';
import { FinishPlanner } from './finish-planner.ts';
import { LearnedForecast, type Underway } from './learned-forecast.ts';

const nothing = { cpuMilli: 0, memoryBytes: 0, diskBytes: 0 };
const shape: Shape = { kind: 'infer', resources: nothing, constraints: { labels: {} }, model: 'tiny' };
const task = { shape, taskClass: 'infer tiny', inputBytes: 0 };
const slot: Reservation = { ...nothing, devices: [], model: 'tiny' };
const fastMs = 100;
const slowMs = 8 * fastMs;

/** `w-slow` comes first by its id. */
function grid(tookMs = [fastMs, slowMs]) {
  const running: Underway[] = [];
  const fast = serving('w-zip');
  const slow = serving('w-slow');
  const forecast = new LearnedForecast((view) => (view === fast ? running : []));
  for (let times = 0; times < 5; times += 1)
    for (const [nth, { id }] of [fast, slow].entries())
      forecast.learn({ task, worker: id, reservation: slot, runMs: tookMs[nth] ?? 0, usage: null });
  const occupy = (): void => {
    reserve(fast.ledger, slot);
    running.push({ task, reservation: slot, ranMs: 0 });
  };
  const planner = new FinishPlanner(forecast);
  return { planner, occupy, views: [fast, slow] };
}

function serving(id: string): WorkerView {
  const view = worker(id, { capabilities: ['infer', 'instance'] });
  changeView(view, { models: new Map([['tiny', { slots: 1, isComing: false }]]) });
  return view;
}

describe('a question', () => {
  it('goes where its answer ends first, however short', () => {
    const { planner, views } = grid();
    const plan = planner.plan(task, views, 1);
    expect(plan).toMatchObject({ kind: 'now', placement: { worker: 'w-zip' } });
    expect(planner.outlooks(task, views).map(({ worker: id }) => id)).toEqual(['w-zip', 'w-slow']);
  });

  it('is not planned where answers are over at once', () => {
    const { planner, views } = grid([1, 8]);
    expect(planner.plan(task, views, 1)).toBeUndefined();
  });

  it('waits for the fast one while all that wait would end there sooner', () => {
    const { planner, occupy, views } = grid();
    occupy();
    expect(planner.plan(task, views, 2)).toMatchObject({ kind: 'later', worker: 'w-zip' });
    planner.begin();
    expect(planner.plan(task, views, 12)).toMatchObject({ kind: 'now', placement: { worker: 'w-slow' } });
  });

  it('is expected only where its model is', () => {
    const { planner, views } = grid();
    const other = worker('w-other', { capabilities: ['infer', 'instance'] });
    const expected = planner.outlooks(task, [other, ...views]).map(({ worker: id }) => id as WorkerId);
    expect(expected).not.toContain('w-other');
  });

  it('of a class that never ran goes by what others took, and waits for nobody', () => {
    const { planner, occupy, views } = grid();
    const unseen = { ...task, taskClass: 'infer other' };
    expect(planner.outlooks(unseen, views).map(({ takesMs }) => takesMs > fastMs / 2)).toEqual([true, true]);
    occupy();
    expect(planner.plan(unseen, views, 1)).toMatchObject({ kind: 'now', placement: { worker: 'w-slow' } });
    expect(planner.plan({ ...unseen, shape: { ...shape, kind: 'embed' } }, views, 1)).toBeUndefined();
    expect([planner.yieldsMs(unseen), planner.yieldsMs(task) > 0]).toEqual([0, true]);
  });
});
