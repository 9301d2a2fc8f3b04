/** What the fit term makes of what the grid is asked for; without knowing it: score.test.ts. */
import type { DeviceUuid } from '@gryphgen/protocol';
import { describe, expect, it } from 'vitest';
import { nothingKnown, type TypicalDemand } from './demand.ts';
import { fitOn } from './fit.ts';
import { reserve } from './ledger.ts';
import { place } from './place.ts';
import { device, forge, GiB, part, rtx3060, shape, whole, worker } from './reference-grid.fixture.ts';
import type { Shape } from './shape.ts';
import { leftoverOf, strandedOn } from './stranding.ts';
import type { WorkerView } from './worker-view.ts';

const asked = (...shapes: readonly Shape[]): TypicalDemand => ({
  tasks: shapes.map((each) => ({ shape: each, share: 1 / shapes.length })),
  trust: 0.9,
});
const fit = (what: Shape, view: WorkerView, demand: TypicalDemand) =>
  fitOn(what, view, view.report!, demand).fit;
const stranded = (view: WorkerView, demand: TypicalDemand) =>
  strandedOn(leftoverOf(view, view.report!, demand));
const card = (uuid: string) => device(uuid, { vramBytes: 8 * GiB });
const two = (cpuMilli = 8000) => worker('w', { devices: [card('a'), card('b')], cpuMilli });

function holding(view: WorkerView, uuid: string, vramBytes: number, cpuMilli = 0): WorkerView {
  const devices = [{ uuid: uuid as DeviceUuid, vramBytes, whole: false }];
  reserve(view.ledger, { cpuMilli, memoryBytes: 0, diskBytes: 0, devices });
  return view;
}

describe('what is stranded', () => {
  it.each<[string, Shape, number]>([
    ['nothing where tasks fill the devices', shape(part(4 * GiB)), 0],
    ['later, what is left beside as many as fit', shape(part(3 * GiB)), 0.3 * (2 - 4 * (3 / 8))],
    ['all, now and later, where not one fits', shape(part(9 * GiB)), 1.3 * 2],
    ['all where there is too little CPU', shape(part(GiB), { cpuMilli: 8001 }), 1.3 * 2],
    ['later, what the CPU does not reach for', shape(whole(1), { cpuMilli: 8000 }), 0.3],
    ['later, what the memory does not reach for', shape(whole(1), { memoryBytes: 16 * GiB }), 0.3],
    ['all where devices are too few', shape(whole(3)), 1.3 * 2],
    ['all where the make is another', shape(part(GiB, { name: 'a100' })), 1.3 * 2],
    ['all where the machine offers something else', shape(part(GiB), { kind: 'infer' }), 1.3 * 2],
  ])('is %s', (_, what, devices) => {
    expect(stranded(two(), asked(what))).toBeCloseTo(devices, 12);
  });

  it('counts what is left of a device in use, and nothing of what is held', () => {
    const view = holding(two(), 'a', 6 * GiB);
    expect(stranded(view, asked(shape(whole(1))))).toBeCloseTo(0.25 + 0.3 * 0.25, 12);
    expect(stranded(holding(view, 'a', 2 * GiB), asked(shape(whole(1))))).toBe(0);
  });

  it('weighs each task by its share', () => {
    const demand = asked(shape(part(GiB), { cpuMilli: 0 }), shape(part(9 * GiB)));
    expect(stranded(two(), demand)).toBeCloseTo(1.3, 12);
  });
});

describe('fit, by what is asked for', () => {
  it('spoils no room that a task could have used, where packing alone looks for the least room', () => {
    const view = holding(holding(two(), 'a', 4 * GiB), 'b', 3 * GiB);
    const chosen = (demand: TypicalDemand) =>
      fitOn(shape(part(GiB)), view, view.report!, demand).device?.uuid;
    expect(chosen(nothingKnown)).toBe('a');
    expect(chosen(asked(shape(part(4 * GiB))))).toBe('b');
  });

  it('takes of two workers the one that has CPU for its other devices after it', () => {
    const [lean, rich] = [two(4000), two(8000)];
    const what = shape(whole(1), { cpuMilli: 3000 });
    const demand = asked(shape(part(8 * GiB), { cpuMilli: 2000 }));
    expect(fit(what, rich, demand)).toBeGreaterThan(fit(what, lean, demand));
    expect(fit(what, rich, nothingKnown)).toBe(fit(what, lean, nothingKnown));
  });

  it('a task without a device goes where its CPU feeds no device', () => {
    const demand = asked(shape(whole(1), { cpuMilli: 4000 }));
    const lean = worker('w-a', { devices: [card('a'), card('b')], cpuMilli: 8000 });
    const rich = worker('w-b', { devices: [card('a'), card('b')], cpuMilli: 16_000 });
    const what = shape(undefined, { cpuMilli: 4000 });
    expect(fit(what, rich, demand)).toBeGreaterThan(fit(what, lean, demand));
    expect(fit(what, rich, nothingKnown)).toBe(fit(what, lean, nothingKnown));
  });

  it('keeps tasks without a device off machines that have some, whatever is asked for', () => {
    const forgeLike = forge({ speed: 2 });
    const small = worker('w-small', { speed: 0 });
    reserve(small.ledger, { cpuMilli: 3000, memoryBytes: 0, diskBytes: 0, devices: [] });
    expect(place(shape(), [forgeLike, small], asked(shape(part(GiB))))).toMatchObject({ worker: 'w-small' });
  });

  it('puts a small part on the small card when large ones are asked for, too', () => {
    const view = forge();
    const demand = asked(shape(part(5 * GiB)), shape(part(10 * GiB)));
    expect(fitOn(shape(part(5 * GiB)), view, view.report!, demand).device?.uuid).toBe('gpu-1060');
  });

  it('never leaves 0..1', () => {
    const views = [two(), forge(), worker('w', { devices: [rtx3060('a')] })];
    for (const view of views)
      for (const what of [shape(), shape(part(GiB)), shape(whole(1))])
        for (const demand of [nothingKnown, asked(shape(whole(1))), asked(shape(part(3 * GiB)))])
          expect(fit(what, view, demand) >= 0 && fit(what, view, demand) <= 1).toBe(true);
  });
});
