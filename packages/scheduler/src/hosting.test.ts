/** Requests go where an instance of their model has a free slot, and nowhere else. */
import { describe, expect, it } from 'vitest';
import { claimOn } from './claim.ts';
import { explain } from './explain.ts';
import { release, reserve } from './ledger.ts';
import { place } from './place.ts';
import { worker } from './reference-grid.fixture.ts';
import { type Shape, shapeKey } from './shape.ts';
import { changeView, versionOf, type WorkerView } from './worker-view.ts';

const nothing = { cpuMilli: 0, memoryBytes: 0, diskBytes: 0 };
const request: Shape = { kind: 'infer', resources: nothing, constraints: { labels: {} }, model: 'tiny' };
const slot = { ...nothing, devices: [], model: 'tiny' };

function serving(id: string, slots: number, isComing = false): WorkerView {
  const view = worker(id, { capabilities: ['infer', 'instance'] });
  changeView(view, { models: new Map([['tiny', { slots, isComing }]]) });
  return view;
}
const reasons = (view: WorkerView) => explain(request, [view]).workers[0]?.reasons;

describe('a request', () => {
  it('is placed where a slot is free, and holds it', () => {
    const view = serving('w-1', 1);
    const placed = place(request, [worker('w-0', { capabilities: ['infer'] }), view]);
    expect(placed).toMatchObject({ kind: 'placed', worker: 'w-1', reservation: slot });
    const version = versionOf(view);
    reserve(view.ledger, slot);
    expect(versionOf(view)).toBeGreaterThan(version);
    expect(place(request, [view]).kind).toBe('waiting');
    release(view.ledger, slot);
    expect(place(request, [view]).kind).toBe('placed');
    expect(() => release(view.ledger, slot)).toThrow(/no attempt is held/);
  });

  it('waits where there is none, and hears of each worker why', () => {
    const full = serving('w-1', 2);
    for (let n = 0; n < 2; n += 1) reserve(full.ledger, slot);
    expect(reasons(full)).toEqual(['its instances of tiny answer 2 requests, all 2 slots']);
    expect(reasons(serving('w-2', 0, true))).toEqual(['tiny is loading there']);
    expect(reasons(worker('w-3', { capabilities: ['infer'] }))).toEqual(['has no instance of tiny']);
  });

  it('is refused for ever only where no worker serves models', () => {
    expect(place(request, [worker('w-1', { capabilities: ['infer'] })]).kind).toBe('waiting');
    expect(place(request, [worker('w-1', { capabilities: ['noop'] })]).kind).toBe('impossible');
  });

  it('has room kept in the form of a slot', () => {
    const full = serving('w-1', 1);
    reserve(full.ledger, slot);
    expect(claimOn(request, full)).toEqual(slot);
    expect(claimOn(request, worker('w-2', { capabilities: ['infer'] }))).toBeUndefined();
  });
});

it('the model is a part of a request’s shape, and not of an instance’s', () => {
  const asks = (model: string) => shapeKey({ ...request, model });
  const is = (model: string) => shapeKey({ ...request, kind: 'instance', model });
  expect(asks('tiny')).not.toBe(asks('large'));
  expect(is('tiny')).toBe(is('large'));
});
