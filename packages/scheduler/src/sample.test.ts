/** Of very many workers some are compared: the same by every way to ask, and nobody waits for what is left out. */
import { describe, expect, it } from 'vitest';
import { Demand } from './demand.ts';
import { explain } from './explain.ts';
import { reserve } from './ledger.ts';
import { type Placement, place } from './place.ts';
import { Placer } from './placer.ts';
import { GiB, gtx1060, part, report, rtx3060, shape, whole, worker } from './reference-grid.fixture.ts';
import { Roster } from './roster.ts';
import { looksOf, lotOf, mostCompared } from './sample.ts';
import { shapeKey } from './shape.ts';
import { changeView, type WorkerView } from './worker-view.ts';

const many = mostCompared + 1000;

function gridOf(workers: number): WorkerView[] {
  return Array.from({ length: workers }, (_, at) => {
    const devices = at % 4 === 0 ? [rtx3060(`a${at}`), gtx1060(`b${at}`)] : [];
    return worker(`w-${at}`, report({ devices, cpuMilli: 4000, speed: 0.5 + (at % 7) / 10 }));
  });
}

/** How often the grid's workers are scored meanwhile. */
function scoredBy(workers: readonly WorkerView[], act: () => unknown): number {
  let scored = 0;
  for (const view of workers) {
    const { reliability } = view;
    Object.defineProperty(view, 'reliability', { get: () => ++scored && reliability, configurable: true });
  }
  act();
  return scored;
}

describe('on a grid of very many workers', () => {
  it('some hundreds are scored for a shape that is new, and all where there are fewer', () => {
    const workers = gridOf(many);
    const typical = new Demand().typical;
    expect(scoredBy(workers, () => place(shape(), workers))).toBeLessThan(700);
    const placer = new Placer(new Roster(workers));
    expect(scoredBy(workers, () => placer.place(shape(), 'new', typical))).toBeLessThan(700);
    const fewer = workers.slice(0, mostCompared);
    expect(scoredBy(fewer, () => place(shape(), fewer))).toBe(mostCompared);
  });

  it('of those looked at before only who has changed is scored again', () => {
    const workers = gridOf(many);
    const placer = new Placer(new Roster(workers));
    const first = placer.place(shape(), 'cpu');
    const again = () => placer.place(shape(), 'cpu');
    expect(scoredBy(workers, again)).toBe(0);
    take(workers, first);
    expect(scoredBy(workers, again)).toBe(1);
    expect(scoredBy(workers, again)).toBe(0);
  });

  it('every way to ask gives one answer, whatever the order of the list and what is held', () => {
    const workers = gridOf(many);
    const backwards = workers.toReversed();
    const placer = new Placer(new Roster(workers));
    const demand = new Demand();
    const shapes = [shape(part(5 * GiB), { cpuMilli: 2000 }), shape(whole(1), { cpuMilli: 4000 })];
    const placed = shapes.flatMap((what) =>
      Array.from({ length: 30 }, () => {
        demand.note(shapeKey(what), what);
        const placement = place(what, workers, demand.typical);
        expect(placer.place(what, shapeKey(what), demand.typical)).toEqual(placement);
        expect(place(what, backwards, demand.typical)).toEqual(placement);
        take(workers, placement);
        return placement.kind;
      }),
    );
    expect(new Set(placed)).toEqual(new Set(['placed']));
  });

  it.each([0, many - 1])('the one worker that will do is found, at lot %d in their order', (at) => {
    const workers = gridOf(many).sort((a, b) => lotOf(a.id) - lotOf(b.id));
    const only = workers[at] as WorkerView;
    changeView(only, { report: report({ labels: { room: 'lab' } }) });
    const what = shape(undefined, { constraints: { labels: { room: 'lab' } } });
    expect(place(what, workers)).toMatchObject({ kind: 'placed', worker: only.id });
    expect(new Placer(new Roster(workers)).place(what, 'lab')).toMatchObject({
      kind: 'placed',
      worker: only.id,
    });
    expect(explain(what, workers).decision).toContain(`of ${many} workers a sample was compared`);
  });
});

it('lots are spread over all of 0 to 1, and the looks end with everybody', () => {
  const tenths = Array.from({ length: 10 }, () => 0);
  for (let at = 0; at < 10_000; at += 1) {
    const tenth = Math.floor(10 * lotOf(`w-${at}` as never));
    tenths[tenth] = (tenths[tenth] ?? 0) + 1;
  }
  expect(Math.min(...tenths)).toBeGreaterThan(850);
  for (const size of [1, mostCompared, many, 100_000]) expect(looksOf(size).at(-1)).toBe(1);
});

function take(workers: readonly WorkerView[], placement: Placement): void {
  if (placement.kind !== 'placed') return;
  const target = workers.find(({ id }) => id === placement.worker) as WorkerView;
  reserve(target.ledger, placement.reservation);
}
