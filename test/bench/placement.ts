/**
 * One placement decision, alone: how it grows with the grid. `first`: of a shape on workers that were never looked at.
 * `stream`: one after the other as the broker takes them, each changing the worker that it went to. `plan`: the same, of a class of
 * which it is known how long it takes on some of the workers.
 */
import type { DeviceUuid, WorkerId, WorkerReport } from '@gryphgen/protocol';
import {
  Demand,
  defaultPolicy,
  emptyLedger,
  FinishPlanner,
  KeptRoom,
  LearnedForecast,
  mayFit,
  newView,
  Placer,
  place,
  Roster,
  release,
  reserve,
  type Shape,
  Shortlist,
  shapeKey,
  toldSeats,
  type WorkerView,
} from '@gryphgen/scheduler';
import type { Benchmark } from './benchmark.ts';
import { type Row, row } from './row.ts';
import { percentile } from './statistics.ts';

const MiB = 1024 ** 2;
const GiB = 1024 ** 3;
const host = { cpuMilli: 1000, memoryBytes: 2 * GiB, diskBytes: 0 };

const shapes: Readonly<Record<string, Shape>> = {
  cpu: { kind: 'container', constraints: { labels: {} }, resources: host, image: 'busybox:latest' },
  vram: {
    kind: 'container',
    constraints: { labels: {} },
    resources: { ...host, gpu: { kind: 'part', vramBytes: 5 * GiB, minComputeCapability: 61 } },
  },
};

export const placement: Benchmark = {
  name: 'placement',
  about: 'µs to place one task on grids of several sizes',
  async run({ scale }) {
    return scale.gridSizes.flatMap((size) => {
      const roster = new Roster(gridOf(size));
      return Object.entries(shapes).flatMap(([name, shape]) => [
        ...rowsOf(`placement.${size}.${name}.first`, firstLooks(shape, roster.views, scale.placements)),
        ...rowsOf(`placement.${size}.${name}.stream`, stream(shape, roster, scale.placements)),
        ...rowsOf(`placement.${size}.${name}.plan`, plans(shape, roster, scale.placements)),
      ]);
    });
  },
};

function firstLooks(shape: Shape, workers: readonly WorkerView[], runs: number): Float64Array {
  const { typical } = someDemand();
  return timesOf(runs, () => place(shape, workers, typical));
}

function stream(shape: Shape, roster: Roster, runs: number): Float64Array {
  const { typical } = someDemand();
  const byId = new Map(roster.views.map((worker) => [worker.id, worker]));
  const placer = new Placer(roster);
  const key = shapeKey(shape);
  const room = new KeptRoom(roster);
  return timesOf(
    runs,
    () => {
      const free = room.now();
      if (free === undefined || !mayFit(shape.resources, free)) throw new Error('there is room for it');
      return placer.place(shape, key, typical);
    },
    ({ worker, reservation }) => {
      const { ledger } = byId.get(worker) as WorkerView;
      reserve(ledger, reservation);
      release(ledger, reservation);
    },
  );
}

/** Each ends before the next is placed, and teaches. */
function plans(shape: Shape, roster: Roster, runs: number): Float64Array {
  const demand = someDemand();
  const byId = new Map(roster.views.map((worker) => [worker.id, worker]));
  const forecast = new LearnedForecast(() => []);
  for (const { id, report } of roster.views)
    if (report !== null) for (const seat of toldSeats(id, report)) forecast.runs.describeSeat(...seat);
  const policies = { inForce: defaultPolicy };
  const shortlist = new Shortlist(new Placer(roster), forecast, demand, policies);
  const planner = new FinishPlanner(forecast, demand, policies, shortlist);
  const task = { shape, taskClass: 'known', inputBytes: 0 };
  const able = roster.views.filter(
    ({ report }) => shape.resources.gpu === undefined || report?.devices.length,
  );
  for (const { id, report } of able.slice(0, knownWorkers)) {
    const [device] = shape.resources.gpu === undefined ? [] : (report?.devices ?? []);
    const devices = device === undefined ? [] : [{ uuid: device.uuid, vramBytes: GiB, whole: false }];
    const runMs = 20_000 / (report?.speed ?? 1);
    for (let run = 0; run < 5; run += 1)
      forecast.learn({ task, worker: id, reservation: { ...host, devices }, runMs, usage: null });
  }
  return timesOf(
    runs,
    () => {
      planner.begin();
      const plan = planner.plan(task, roster.views, 1, false);
      if (plan?.kind !== 'now') throw new Error('a class that is known is planned');
      return plan.placement;
    },
    ({ worker, reservation }) => {
      const { ledger, report } = byId.get(worker) as WorkerView;
      reserve(ledger, reservation);
      release(ledger, reservation);
      const runMs = 20_000 / (report?.speed ?? 1);
      forecast.learn({ task, worker, reservation, runMs, usage: null });
    },
  );
}
const knownWorkers = 40;

/** Both shapes are asked for, and whole devices. */
function someDemand(): Demand {
  const demand = new Demand();
  const gpus = [
    { kind: 'part', vramBytes: 5 * GiB },
    { kind: 'part', vramBytes: 11 * GiB },
    { kind: 'whole', count: 1 },
  ] as const;
  for (let task = 0; task < 300; task++) {
    const shape = { ...shapes.cpu, resources: { ...host, gpu: gpus[task % 3] } } as Shape;
    demand.note(shapeKey(shape), shape);
  }
  return demand;
}

type Placed = Extract<ReturnType<typeof place>, { kind: 'placed' }>;

/** `after`: not timed. */
function timesOf(
  runs: number,
  placeOne: () => ReturnType<typeof place>,
  after: (placed: Placed) => void = () => undefined,
): Float64Array {
  const once = () => {
    const begun = performance.now();
    const placed = placeOne();
    const us = (performance.now() - begun) * 1000;
    if (placed.kind !== 'placed') throw new Error('every shape fits somewhere on this grid');
    after(placed);
    return us;
  };
  for (let run = 0; run < runs; run++) once();
  return Float64Array.from({ length: runs }, once);
}

function rowsOf(name: string, times: Float64Array): Row[] {
  return [
    row(`${name}.p50`, percentile(times, 0.5), 'µs'),
    row(`${name}.p99`, percentile(times, 0.99), 'µs'),
  ];
}

/** Every fourth machine has the reference machine's two cards; each is busy to a different degree. */
function gridOf(size: number): readonly WorkerView[] {
  return Array.from({ length: size }, (_, index) => {
    const name = `worker-${index}`;
    const ledger = emptyLedger();
    ledger.cpuMilli = (index * 1000) % 16_000;
    ledger.attempts = index % 16;
    return {
      ...newView(`w-${name}` as WorkerId, name),
      ledger,
      report: reportOf(name, index),
      connected: true,
      reliability: 1 - (index % 10) / 100,
    };
  });
}

function reportOf(name: string, index: number): WorkerReport {
  const cards = [
    { name: 'NVIDIA GeForce RTX 3060', vramBytes: 12_288 * MiB, computeCapability: 86 },
    { name: 'NVIDIA GeForce GTX 1060 6GB', vramBytes: 6064 * MiB, computeCapability: 61 },
  ].map((card, at) => ({
    ...card,
    uuid: `${name}-gpu-${at}` as DeviceUuid,
    index: at,
    driver: '550.54',
    foreignBytes: 0,
  }));
  return {
    name,
    capabilities: ['container', 'process'],
    labels: {},
    cpuMilli: 16_000 + (index % 3) * 8000,
    memoryBytes: 128 * GiB,
    diskBytes: 1024 * GiB,
    devices: index % 4 === 0 ? cards : [],
    images: index % 2 === 0 ? ['busybox:latest'] : [],
    slots: 64,
    speed: 0.5 + (index % 5) / 4,
    dataEndpoint: '',
    dataKey: '',
    version: '0.1.0',
  };
}
