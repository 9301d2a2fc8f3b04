/** A worker is passed over by exactly what it lacks: what does not concern a shape is left out, and holds everywhere. */
import type { Offers, WorkerId } from '@gryphgen/protocol';
import { describe, expect, it } from 'vitest';
import { isFeasible, lackOf } from './predicates.ts';
import { GiB, part, type report, rtx3060, shape, whole, worker } from './reference-grid.fixture.ts';
import { normalized, type Shape } from './shape.ts';
import { changeView, type WorkerView } from './worker-view.ts';

const needs = { fields: ['mounts'], mounts: [{ name: 'data', write: true }] };
const offers: Offers = {
  fields: ['mounts'],
  mounts: [{ name: 'data', write: true }],
  networks: [],
  runtimes: [],
  root: false,
  images: ['busybox:latest'],
};

const shapes: Readonly<Record<string, Shape>> = {
  nothing: shape(undefined, { cpuMilli: 0 }),
  processors: shape(undefined, { cpuMilli: 9000 }),
  memory: shape(undefined, { memoryBytes: 40 * GiB }),
  disk: shape(undefined, { diskBytes: 900 * GiB }),
  'a label': shape(undefined, { constraints: { labels: { room: 'lab' } } }),
  'a worker': shape(undefined, { constraints: { worker: 'w-other', labels: {} } }),
  'what is offered': shape(undefined, { needs }),
  'an image': shape(undefined, { image: 'alpine:3' }),
  'a model': shape(undefined, { kind: 'infer', model: 'tiny' }),
  'a shard': shape(undefined, { shard: { collection: 'notes', index: 0 } as never }),
  'a part': shape(part(9 * GiB)),
  'whole devices': shape(whole(2)),
  'time before a drain': shape(undefined, { shut: [{ worker: 'w-bare' as WorkerId, at: 1, lengthMs: 1 }] }),
};

function changed(id: string, has: Parameters<typeof report>[0], change: Parameters<typeof changeView>[1]) {
  const view = worker(id, has);
  changeView(view, change);
  return view;
}

const bare = { cpuMilli: 4000, memoryBytes: 16 * GiB, diskBytes: 64 * GiB };
const roomy = { cpuMilli: 64_000, memoryBytes: 128 * GiB, diskBytes: 2048 * GiB };
const workers: readonly WorkerView[] = [
  worker('w-bare', { ...bare, offers: { ...offers, mounts: [], fields: [] } }),
  worker('w-untold', bare),
  worker('w-roomy', {
    ...roomy,
    offers,
    capabilities: ['container', 'infer'],
    labels: { room: 'lab' },
    devices: [rtx3060('a'), rtx3060('b')],
  }),
  worker('w-other', { ...roomy, capabilities: ['process'] }),
  changed(
    'w-serving',
    { ...roomy, capabilities: ['infer', 'container'] },
    {
      models: new Map([['tiny', { slots: 1, isComing: false }]]),
      shards: new Set(['notes 0']),
    },
  ),
  changed('w-gone', roomy, { connected: false }),
  changed('w-leaving', roomy, { draining: true }),
];

describe.each(Object.entries(shapes))('of a task that asks for %s', (_, task) => {
  it.each(workers.map((view) => [view.name, view] as const))(
    '%s can take it if it lacks nothing',
    (_, view) => {
      const asked = normalized(task);
      if (view.report === null) throw new Error('it has reported');
      expect(isFeasible(asked, view, view.report)).toBe(lackOf(asked, view, view.report, 'now') === 0);
    },
  );
});
