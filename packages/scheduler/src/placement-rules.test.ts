/** What must hold of placement for every grid and every task. */
import type { DeviceUuid, GpuRequest, Reservation, WorkerReport } from '@gryphgen/protocol';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { Demand } from './demand.ts';
import { explain } from './explain.ts';
import { emptyLedger, oversubscription, release, reserve } from './ledger.ts';
import { place } from './place.ts';
import { device, GiB, gtx1060, rtx3060, shape, worker } from './reference-grid.fixture.ts';
import { mayFit, roomOf } from './room.ts';
import { type Shape, shapeKey } from './shape.ts';
import type { WorkerView } from './worker-view.ts';

const limits = fc.record(
  { minComputeCapability: fc.constantFrom(60, 70, 90), name: fc.constantFrom('gtx', '3060', 'A100') },
  { requiredKeys: [] },
);
const gpu: fc.Arbitrary<GpuRequest> = fc.oneof(
  fc
    .tuple(fc.integer({ min: 1, max: 13 }), limits)
    .map(([size, of]): GpuRequest => ({ kind: 'part', vramBytes: size * GiB, ...of })),
  fc
    .tuple(fc.integer({ min: 1, max: 3 }), limits)
    .map(([count, of]): GpuRequest => ({ kind: 'whole', count, ...of })),
  fc
    .uniqueArray(
      fc.record({
        uuid: fc.constantFrom('gpu-a', 'gpu-b', 'gpu-c', 'gpu-d', 'gpu-gone').map((id) => id as DeviceUuid),
        vramBytes: fc.integer({ min: 1, max: 9 }).map((size) => size * GiB),
      }),
      { selector: ({ uuid }) => uuid, minLength: 1, maxLength: 3 },
    )
    .map((parts): GpuRequest => ({ kind: 'parts', parts })),
);
const anyShape: fc.Arbitrary<Shape> = fc
  .record({
    gpu: fc.option(gpu, { nil: undefined }),
    cpuMilli: fc.integer({ min: 0, max: 5000 }),
    memoryBytes: fc.integer({ min: 0, max: 10 }).map((size) => size * GiB),
    kind: fc.constantFrom('container' as const, 'noop' as const, 'infer' as const),
    zone: fc.constantFrom(undefined, 'a', 'b'),
    image: fc.constantFrom(undefined, 'busybox', 'alpine:3'),
    only: fc.constantFrom(undefined, undefined, undefined, 'w-1'),
  })
  .map(({ gpu: request, cpuMilli, memoryBytes, kind, zone, image, only }) =>
    shape(request, {
      cpuMilli,
      memoryBytes,
      kind,
      ...(image === undefined ? {} : { image }),
      constraints: {
        labels: zone === undefined ? {} : { zone },
        ...(only === undefined ? {} : { worker: only }),
      },
    }),
  );

const pressure = { name: 'hot', forMs: 1, words: '93 C' };
const cards = fc.tuple(fc.subarray([0, 1, 2, 3, 4]), fc.subarray([0, 1, 2, 3, 4])).map(([chosen, hot]) =>
  chosen.map((card) => ({
    ...[
      rtx3060('gpu-a'),
      gtx1060('gpu-b'),
      rtx3060('gpu-c'),
      device('gpu-d', { foreignBytes: 3 * GiB, name: 'GTX 1080', computeCapability: 61 }),
      device('gpu-e', { vramBytes: GiB / 2, computeCapability: 0, name: 'old' }),
    ][card]!,
    ...(hot.includes(card) ? { pressure } : {}),
  })),
);
const anyReport: fc.Arbitrary<Partial<WorkerReport>> = fc.record({
  devices: cards,
  slots: fc.integer({ min: 0, max: 6 }),
  cpuMilli: fc.integer({ min: 0, max: 9000 }),
  memoryBytes: fc.integer({ min: 0, max: 30 }).map((size) => size * GiB),
  foreignBytes: fc.constantFrom(0, 0, GiB, 9 * GiB),
  capabilities: fc.subarray(['container', 'noop', 'infer']),
  labels: fc.constantFrom<Record<string, string>[]>({}, { zone: 'a' }, { zone: 'b' }),
  images: fc.subarray(['busybox:latest', 'alpine:3']),
  speed: fc.constantFrom(0, 0.5, 1, 3),
  pressures: fc.constantFrom(
    [],
    [{ ...pressure, stops: [] }],
    [{ ...pressure, stops: ['container'] }],
    [{ ...pressure, stops: ['noop', 'infer'] }],
  ),
});
/** Workers w-0, w-1, … as functions, so that each use gets fresh ledgers. */
const anyGrid: fc.Arbitrary<() => WorkerView[]> = fc
  .array(
    fc.record({
      has: anyReport,
      silent: fc.integer({ min: 0, max: 9 }).map((n) => n === 0),
      connected: fc.integer({ min: 0, max: 5 }).map((n) => n > 0),
      draining: fc.integer({ min: 0, max: 5 }).map((n) => n === 0),
      beyondBytes: fc.constantFrom(0, 0, 2 * GiB),
      reliability: fc.double({ min: 0, max: 1, noNaN: true }),
    }),
    { minLength: 1, maxLength: 6 },
  )
  .map((rows) => () => rows.map(({ has, silent, ...view }, i) => viewOf(`w-${i}`, has, silent, view)));

function viewOf(
  id: string,
  has: Partial<WorkerReport>,
  silent: boolean,
  view: Partial<WorkerView>,
): WorkerView {
  const made = { ...worker(id, has), ...view };
  return silent ? { ...made, report: null } : made;
}

/** Places the shapes one after the other, releasing some in between; the reservations still held. */
function fill(
  workers: readonly WorkerView[],
  steps: readonly { shape: Shape; drop: boolean }[],
  demand = new Demand(),
) {
  const held: { worker: WorkerView; shape: Shape; reservation: Reservation }[] = [];
  for (const step of steps) {
    demand.note(shapeKey(step.shape), step.shape);
    const oldest = step.drop ? held.shift() : undefined;
    if (oldest !== undefined) release(oldest.worker.ledger, oldest.reservation);
    const placement = place(step.shape, workers, demand.typical);
    if (placement.kind !== 'placed') continue;
    const target = workers.find(({ id }) => id === placement.worker)!;
    reserve(target.ledger, placement.reservation);
    held.push({ worker: target, shape: step.shape, reservation: placement.reservation });
    expect(oversubscription(target.ledger, target.report!)).toBeUndefined();
  }
  return held;
}

const steps = fc.array(fc.record({ shape: anyShape, drop: fc.boolean() }), { maxLength: 25 });

describe('for every grid and every task', () => {
  it('no sequence of placing and releasing oversubscribes, and releasing all leaves nothing', () => {
    fc.assert(
      fc.property(anyGrid, steps, (grid, sequence) => {
        const workers = grid();
        for (const { worker: at, reservation } of fill(workers, sequence)) release(at.ledger, reservation);
        for (const { ledger } of workers)
          expect(ledger).toEqual({ ...emptyLedger(), version: ledger.version });
      }),
    );
  });

  it('nothing is placed where a pressure stops it', () => {
    fc.assert(
      fc.property(anyGrid, steps, (grid, sequence) => {
        const stopped = fill(grid(), sequence).filter(({ worker: at, shape: what, reservation }) => {
          const kinds = at.report?.pressures?.flatMap(({ stops }) => stops) ?? [];
          const hot = at.report?.devices.filter((card) => card.pressure !== undefined) ?? [];
          const taken = reservation.devices.map(({ uuid }) => uuid);
          return kinds.includes(what.kind) || hot.some(({ uuid }) => taken.includes(uuid));
        });
        expect(stopped).toEqual([]);
      }),
    );
  });

  it('what is placed was in the room there was', () => {
    fc.assert(
      fc.property(anyGrid, steps, anyShape, (grid, sequence, next) => {
        const workers = grid();
        fill(workers, sequence);
        const room = roomOf(workers);
        const fits = room !== undefined && mayFit(next.resources, room);
        if (place(next, workers).kind === 'placed') expect(fits).toBe(true);
      }),
    );
  });

  it('nobody is beside a whole holder, and outside use is left alone', () => {
    fc.assert(
      fc.property(anyGrid, steps, (grid, sequence) => {
        const workers = grid();
        const held = fill(workers, sequence);
        for (const { worker: at, reservation } of held) {
          for (const share of reservation.devices) {
            const card = at.report!.devices.find(({ uuid }) => uuid === share.uuid)!;
            const all = at.ledger.devices.get(share.uuid)!;
            if (share.whole) expect(all.holders).toBe(1);
            else expect(all.vramBytes + card.foreignBytes).toBeLessThanOrEqual(card.vramBytes);
          }
        }
      }),
    );
  });

  it('the order of workers and of their devices changes nothing', () => {
    fc.assert(
      fc.property(anyGrid, steps, anyShape, fc.infiniteStream(fc.nat()), (grid, sequence, what, keys) => {
        const workers = grid();
        const demand = new Demand();
        fill(workers, sequence, demand);
        const { typical } = demand;
        const placement = place(what, workers, typical);
        expect(place(what, shuffle(workers, keys), typical)).toEqual(placement);
        const rewired = workers.map((view) => {
          const { report } = view;
          return { ...view, report: report && { ...report, devices: shuffle(report.devices, keys) } };
        });
        // A refusal lists devices as the machine numbers them; what is decided is the same.
        if (placement.kind === 'placed') expect(place(what, rewired, typical)).toEqual(placement);
        else expect(place(what, rewired, typical).kind).toBe(placement.kind);
      }),
    );
  });

  it('the one placed on is the best that explain shows, and each refused worker has a reason', () => {
    fc.assert(
      fc.property(anyGrid, steps, anyShape, (grid, sequence, what) => {
        const workers = grid();
        const demand = new Demand();
        fill(workers, sequence, demand);
        const { typical } = demand;
        const decisions = explain(what, workers, typical).workers;
        expect(decisions.map((decision) => decision.worker)).toEqual(workers.map(({ id }) => id));
        let best: { worker: string; total: number } | undefined;
        for (const { feasible, reasons, scores, total, worker: id } of decisions) {
          if (!feasible) {
            expect(reasons?.length).toBeGreaterThanOrEqual(1);
            expect(reasons?.every((reason) => reason.length > 0)).toBe(true);
            continue;
          }
          expect(reasons).toBeUndefined();
          for (const score of Object.values(scores!)) expect(score >= 0 && score <= 1).toBe(true);
          if (best === undefined || total! > best.total) best = { worker: id, total: total! };
        }
        const placement = place(what, workers, typical);
        if (placement.kind === 'placed')
          expect(best).toMatchObject({ worker: placement.worker, total: placement.total });
        else expect(best).toBeUndefined();
      }),
    );
  });

  it('one more worker never turns placed into not placed, nor possible into impossible', () => {
    fc.assert(
      fc.property(anyGrid, steps, anyReport, fc.boolean(), anyShape, (grid, sequence, has, silent, what) => {
        const workers = grid();
        fill(workers, sequence);
        const before = place(what, workers).kind;
        const after = place(what, [...workers, viewOf('w-new', has, silent, {})]).kind;
        if (before === 'placed') expect(after).toBe('placed');
        if (before === 'waiting') expect(after).not.toBe('impossible');
      }),
    );
  });

  it('impossible means: not even on the same machines when empty, connected, willing and at ease', () => {
    fc.assert(
      fc.property(anyGrid, steps, anyShape, (grid, sequence, what) => {
        const workers = grid();
        fill(workers, sequence);
        const free = workers.map((view) => ({
          ...view,
          connected: true,
          draining: false,
          ledger: emptyLedger(),
          beyondBytes: 0,
          report: view.report && {
            ...view.report,
            foreignBytes: 0,
            pressures: [],
            devices: view.report.devices.map(({ pressure: _, ...card }) => ({ ...card, foreignBytes: 0 })),
          },
        }));
        const later = place(what, free).kind;
        const now = place(what, workers).kind;
        if (now === 'impossible') expect(later).toBe('impossible');
        else expect(later).not.toBe('impossible');
        if (later === 'waiting') expect(free.some(({ report }) => report === null)).toBe(true);
      }),
    );
  });

  it('equal shape keys mean equal placements', () => {
    fc.assert(
      fc.property(anyGrid, anyShape, anyShape, (grid, one, other) => {
        const same = JSON.parse(JSON.stringify(one)) as Shape;
        expect(shapeKey(same)).toBe(shapeKey(one));
        expect(place(same, grid())).toEqual(place(one, grid()));
        if (shapeKey(one) === shapeKey(other)) expect(place(one, grid())).toEqual(place(other, grid()));
      }),
    );
  });
});

function shuffle<T>(items: readonly T[], keys: fc.Stream<number>): T[] {
  const [...drawn] = keys.take(items.length);
  return items
    .map((item, i) => ({ item, key: drawn[i]! }))
    .sort((a, b) => a.key - b.key)
    .map(({ item }) => item);
}
