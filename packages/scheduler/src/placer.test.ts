/** What is remembered is what would be found: a placer answers as `place` does, whatever has changed since. */
import type { PlacementPolicy, Reservation } from '@gryphgen/protocol';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { Demand, nothingKnown } from './demand.ts';
import { release, reserve } from './ledger.ts';
import { place } from './place.ts';
import { defaultPolicy } from './placement-policy.ts';
import { Placer } from './placer.ts';
import {
  forge,
  GiB,
  gtx1060,
  part,
  report,
  rtx3060,
  shape,
  whole,
  worker,
} from './reference-grid.fixture.ts';
import { Roster } from './roster.ts';
import { type Shape, shapeKey } from './shape.ts';
import { changeView, type WorkerView } from './worker-view.ts';

const shapes: readonly Shape[] = [
  shape(),
  shape(undefined, { cpuMilli: 3000, memoryBytes: 4 * GiB, image: 'busybox' }),
  shape(part(GiB)),
  shape(part(5 * GiB), { cpuMilli: 2000 }),
  shape(part(9 * GiB), { memoryBytes: 8 * GiB }),
  shape(whole(1)),
  shape(whole(2), { cpuMilli: 4000 }),
  shape(whole(1, { minComputeCapability: 80 })),
  shape(undefined, { constraints: { worker: 'w-2', labels: {} } }),
  shape(undefined, { cpuMilli: 999_999 }),
];

const reports = [
  report(),
  report({ images: ['busybox:latest'], speed: 1.5 }),
  report({ devices: [rtx3060('a'), gtx1060('b')], cpuMilli: 16_000 }),
  report({ devices: [gtx1060('b')], slots: 2 }),
];

type Step =
  | { readonly kind: 'place'; readonly shape: number }
  | { readonly kind: 'end'; readonly which: number }
  | { readonly kind: 'report'; readonly worker: number; readonly report: number }
  | { readonly kind: 'change'; readonly worker: number; readonly field: number }
  | { readonly kind: 'come' }
  | { readonly kind: 'go'; readonly worker: number };

const nat = fc.nat({ max: 30 });
const step: fc.Arbitrary<Step> = fc.oneof(
  { weight: 6, arbitrary: nat.map((at): Step => ({ kind: 'place', shape: at % shapes.length })) },
  { weight: 2, arbitrary: nat.map((which): Step => ({ kind: 'end', which })) },
  {
    weight: 1,
    arbitrary: fc.tuple(nat, nat).map(([at, of]): Step => ({ kind: 'report', worker: at, report: of })),
  },
  {
    weight: 1,
    arbitrary: fc.tuple(nat, nat).map(([at, of]): Step => ({ kind: 'change', worker: at, field: of })),
  },
  { weight: 1, arbitrary: fc.constant<Step>({ kind: 'come' }) },
  { weight: 1, arbitrary: nat.map((at): Step => ({ kind: 'go', worker: at })) },
);

/** A grid that changes, with a placer that is asked beside `place`. */
class Grid {
  private readonly demand = new Demand();
  private readonly held: { readonly worker: WorkerView; readonly reservation: Reservation }[] = [];
  private readonly roster = new Roster([forge(), worker('w-0')]);
  private readonly placer: Placer;
  private made = 1;

  constructor(most: number | undefined) {
    this.placer = new Placer(this.roster, most);
  }

  take(step: Step): void {
    const { roster, held } = this;
    const workers = roster.views;
    const at = (index: number) => workers[index % workers.length] as WorkerView;
    switch (step.kind) {
      case 'place':
        this.place(shapes[step.shape] as Shape);
        return;
      case 'end': {
        const [ended] = held.splice(step.which % Math.max(1, held.length), 1);
        if (ended !== undefined) release(ended.worker.ledger, ended.reservation);
        return;
      }
      case 'report':
        if (workers.length > 0)
          changeView(at(step.worker), { report: reports[step.report % reports.length] as never });
        return;
      case 'change': {
        const changes = [
          { connected: false },
          { connected: true },
          { draining: true },
          { draining: false },
          { reliability: 0.5 },
        ];
        if (workers.length > 0) changeView(at(step.worker), changes[step.field % changes.length] as object);
        return;
      }
      case 'come':
        this.made += 1;
        roster.add(worker(`w-${this.made}`, reports[this.made % reports.length]));
        return;
      case 'go':
        if (workers.length > 0) roster.remove(at(step.worker));
    }
  }

  private place(what: Shape): void {
    const key = shapeKey(what);
    this.demand.note(key, what);
    const { typical } = this.demand;
    const placement = this.placer.place(what, key, typical);
    expect(placement).toEqual(place(what, this.roster.views, typical));
    expect(this.placer.mistakenOf()).toBeUndefined();
    if (placement.kind !== 'placed') return;
    const target = this.roster.views.find(({ id }) => id === placement.worker) as WorkerView;
    reserve(target.ledger, placement.reservation);
    this.held.push({ worker: target, reservation: placement.reservation });
  }
}

describe.each([undefined, 48])('a placer that keeps %s scores', (most) => {
  it('answers what place answers, after any changes', () => {
    fc.assert(
      fc.property(fc.array(step, { maxLength: 60 }), (steps) => {
        const grid = new Grid(most);
        for (const each of steps) grid.take(each);
      }),
    );
  });
});

it('looks again at a winner that changed without saying so, and takes none that is not feasible', () => {
  const workers = [worker('w-a'), worker('w-b')];
  const placer = new Placer(new Roster(workers));
  const what = shape();
  expect(placer.place(what, 'key')).toMatchObject({ worker: 'w-a' });
  expect(placer.mistakenOf()).toBeUndefined();
  Object.assign(workers[0] as WorkerView, { connected: false });
  expect(placer.mistakenOf()).toBe(workers[0]);
  expect(placer.place(what, 'key')).toMatchObject({ worker: 'w-b' });
});

it('scores anew when another policy decides', () => {
  const workers = [worker('w-roomy', { speed: 0.5, slots: 64 }), worker('w-swift', { speed: 0.7, slots: 2 })];
  const placer = new Placer(new Roster(workers));
  const what = shape();
  const weights = { fit: 0, image: 0, reliability: 0, load: 0, spread: 0, speed: 1 };
  const chosen = (policy: PlacementPolicy) => placer.place(what, 'key', nothingKnown, policy);
  expect(chosen(defaultPolicy)).toMatchObject({ worker: 'w-roomy' });
  expect(chosen({ ...defaultPolicy, version: 1, weights })).toMatchObject({ worker: 'w-swift', total: 0.35 });
  expect(chosen(defaultPolicy)).toMatchObject({ worker: 'w-roomy' });
});
