import { describe, expect, it } from 'vitest';
import { Demand } from './demand.ts';
import { GiB, part, shape, whole } from './reference-grid.fixture.ts';
import { type Shape, shapeKey } from './shape.ts';

function note(demand: Demand, what: Shape, times: number): void {
  const key = shapeKey(what);
  for (let i = 0; i < times; i += 1) demand.note(key, what);
}

describe('what the grid is asked for', () => {
  it('is unknown before anything came, and tasks without devices tell nothing', () => {
    const demand = new Demand();
    note(demand, shape(), 100);
    expect(demand.typical).toEqual({ tasks: [], trust: 0 });
  });

  it('is told by how often it came, and trusted the more the more came', () => {
    const demand = new Demand();
    note(demand, shape(part(GiB)), 1);
    const { trust } = demand.typical;
    expect(demand.typical.tasks.map(({ share }) => share)).toEqual([1]);
    note(demand, shape(part(GiB)), 299);
    note(demand, shape(whole(1)), 100);
    expect(demand.typical.tasks.map(({ shape: { resources } }) => resources.gpu)).toEqual([
      part(GiB),
      whole(1),
    ]);
    // What it is told may lag by a tenth.
    expect(Math.abs((demand.typical.tasks[0]?.share ?? 0) - 0.75)).toBeLessThan(0.1);
    expect(demand.typical.trust).toBeGreaterThan(trust);
    expect(demand.typical.trust).toBeLessThan(0.9);
  });

  it('is the same of all images', () => {
    const demand = new Demand();
    for (const image of ['a', 'b', 'c', 'a']) note(demand, shape(part(GiB), { image }), 1);
    expect(demand.typical.tasks).toMatchObject([{ shape: { resources: { gpu: part(GiB) } }, share: 1 }]);
  });

  it('leaves out what is rare', () => {
    const demand = new Demand();
    note(demand, shape(part(GiB)), 960);
    for (let cpuMilli = 1; cpuMilli <= 40; cpuMilli += 1) note(demand, shape(part(GiB), { cpuMilli }), 1);
    expect(demand.typical.tasks).toMatchObject([{ shape: { resources: { gpu: part(GiB) } }, share: 1 }]);
  });

  it('is told anew seldom while it stays as it is, and when it becomes another', () => {
    const demand = new Demand();
    const mix = [shape(part(GiB)), shape(whole(1)), shape(part(2 * GiB))];
    const told = new Set<unknown>();
    for (let i = 0; i < 9000; i += 1) {
      note(demand, mix[i % 3] as Shape, 1);
      if (i >= 1000) told.add(demand.typical);
    }
    // One for each doubling.
    expect(told.size).toBeLessThanOrEqual(4);
    const before = demand.typical;
    note(demand, shape(part(3 * GiB)), 2000);
    expect(demand.typical).not.toBe(before);
  });

  it('forgets what comes no more', () => {
    const demand = new Demand();
    note(demand, shape(part(GiB)), 8000);
    note(demand, shape(whole(1)), 40_000);
    expect(demand.typical.tasks[0]?.shape.resources.gpu).toEqual(whole(1));
    expect(demand.typical.tasks[0]?.share).toBeGreaterThan(0.9);
  });

  it('holds bounded many, however many kinds come', () => {
    const demand = new Demand();
    note(demand, shape(whole(1)), 400);
    for (let cpuMilli = 1; cpuMilli <= 5000; cpuMilli += 1) note(demand, shape(part(GiB), { cpuMilli }), 1);
    const { classes, known } = demand as unknown as Record<'classes' | 'known', ReadonlyMap<string, unknown>>;
    expect(classes.size).toBeLessThanOrEqual(513);
    expect(known.size).toBeLessThanOrEqual(4096);
    expect(demand.typical.tasks.length).toBeLessThanOrEqual(64);
  });
});
