/** What instances and answers teach of models, and what plans make of it. */
import { encodeBody, type Failure, failure, type ModelPlanDocument, type Usage } from '@gryphgen/protocol';
import { beforeEach, describe, expect, it } from 'vitest';
import { nodeDocument } from '../documents.ts';
import { foretold } from '../learning.ts';
import { explainDocument } from '../placing/explaining.ts';
import { decided } from '../record/decisions.ts';
import type { Task } from '../state.ts';
import {
  add,
  ask,
  beginGrid,
  cancelled,
  fence,
  gpu,
  grid,
  instance,
  model,
  ready,
  request,
  serving,
} from './instances.fixture.ts';
import { MiB, modelSpec } from './models.fixture.ts';

const layerMiB = 400;
const minuteMs = 60_000;
const devices = [gpu('g', 4000)];
let worker: ReturnType<typeof grid.worker>;
beforeEach(() => {
  beginGrid();
  worker = grid.worker('w-1', { ...serving, devices });
  add({}, layerMiB);
});

function planned(name = 'tiny') {
  const { description, serving: as } = modelSpec({}, layerMiB);
  return (ask('planModel', { name, description, serving: as }) as ModelPlanDocument).workers[0];
}
const plannedBytes = (name?: string) => planned(name)?.devices[0]?.bytes ?? 0;

interface Ended {
  readonly failure?: Failure;
  readonly usage?: Usage;
  readonly outcome?: object;
}

function ends(task: Task, { failure: why = undefined, usage, outcome }: Ended): void {
  const told = new TextEncoder().encode(JSON.stringify(outcome));
  const bytes = outcome === undefined ? new Uint8Array(0) : encodeBody({ result: told });
  const exitCode = why === undefined ? 0 : 1;
  const result = { kind: 'result', ...fence(task), exitCode, failure: why ?? null, ranMs: 5, outcome: bytes };
  grid.say(worker, { ...result, ...(usage && { usage }) } as never);
}

/** One that is loaded for so long, and held so much of what was planned for it. */
function held(share: number, ms: number): void {
  const asked = request();
  const task = instance();
  ready(worker, task);
  ends(asked, {});
  const bytes = task.lease?.reservation.devices[0]?.vramBytes ?? 0;
  grid.pass(ms, [worker]);
  ask('unloadModel', { name: 'tiny' });
  ends(task, { failure: cancelled, usage: { peakVramBytes: Math.round(share * bytes) } });
}

describe('memory of a device', () => {
  it('is planned as instances were seen to take it, and told so', () => {
    const before = plannedBytes();
    expect(model().memory).toEqual({ factor: 1, from: 'nothing', seen: 0 });
    held(1.1, 2000);
    expect(plannedBytes() / before).toBeCloseTo(1.1, 2);
    expect(plannedBytes('another') / before).toBeCloseTo(1.1, 2);
    expect(model().memory).toMatchObject({ from: 'model', seen: 1 });
    request();
    expect(instance().lease?.reservation.devices[0]?.vramBytes).toBe(plannedBytes());
    expect(model().instances[0]).toMatchObject({ predictedBytes: plannedBytes() });
  });

  it('is less only by those that were there for long', () => {
    const before = plannedBytes();
    held(0.9, 2000);
    expect(plannedBytes()).toBe(before);
    held(0.9, 11 * minuteMs);
    expect(plannedBytes() / before).toBeCloseTo(0.9, 2);
  });

  it('is more where it was not enough, and the same after a restart', () => {
    const before = plannedBytes();
    request();
    ends(instance(), { failure: failure('execution.oom', 'out of memory') });
    expect(plannedBytes() / before).toBeCloseTo(1.1, 2);
    for (const through of [false, true])
      expect(grid.restart(through).state.models.lessons.save()).toEqual(grid.state.models.lessons.save());
  });

  it('is estimated anew for another file of that name, by its architecture', () => {
    held(1.2, 2000);
    add({ artifact: { digest: `sha256:${'2'.repeat(64)}`, bytes: 1 } }, layerMiB);
    expect(model().memory).toMatchObject({ from: 'architecture' });
  });
});

describe('how fast it is', () => {
  const answer = (output: number, outputMs: number) => ({
    ...{ status: 200, firstMs: 1, restMs: 1, outputMs },
    tokens: { prompt: 1, cached: 0, output },
  });

  it('is what its answers told there, and of no other model', () => {
    expect(planned()?.tokensPerS).toBeUndefined();
    request();
    const task = instance();
    ready(worker, task);
    for (let times = 0; times < 3; times += 1) ends(request(), { outcome: answer(100, 2000) });
    expect(planned()?.tokensPerS).toEqual({ value: expect.closeTo(50), from: 'measured' });
    expect(planned('another')?.tokensPerS).toBeUndefined();
    expect(planned()?.loadMs).toMatchObject({ from: 'measured' });
  });

  it('is told of each with where its time went', () => {
    const first = request();
    ready(worker, instance());
    const outcome = { ...answer(100, 2000), promptMs: 7, firstMs: 9 };
    const queueMs = (first.lease?.leasedAt ?? 0) - first.submittedAt;
    ends(first, { outcome });
    const { answer: told } = explainDocument(grid.state, first, grid.wall);
    expect(told).toEqual({
      ...{ queueMs, firstMs: 9, restMs: 1, promptMs: 7, outputMs: 2000 },
      tokens: { prompt: 1, cached: 0, output: 100 },
    });
    const second = request();
    ends(second, { outcome: { status: 'x' } });
    expect(explainDocument(grid.state, second, grid.wall).answer).toBeUndefined();
  });

  it('is not learned of what cannot be, or of a few tokens', () => {
    request();
    ready(worker, instance());
    for (const outcome of [answer(3, 1), answer(100, 0), answer(2 ** 40, 1), { status: 'x' }, {}])
      ends(request(), { outcome });
    expect(planned()?.tokensPerS).toBeUndefined();
  });

  it('foretells how long the first questions take there, by what was measured with another model', () => {
    beginGrid();
    const report = (id: string, weightsBytesPerS: number) => {
      const rate = { seat: id, weightsBytesPerS, promptTokensPerS: 100, engine: 'b1', modelBytes: MiB };
      // The faster card is in the machine with the slower processor.
      const speed = id === 'swift' ? 0.3 : 2;
      return { ...serving, speed, devices: [gpu(id, 2500)], calibration: { at: 0, models: [rate] } };
    };
    const known = (id: string) =>
      grid.state.learned.runsOf(foretold(asked.spec.envelope))?.(
        grid.state.workers.get(id as never)?.view as never,
        undefined,
      ) ?? 0;
    const swift = grid.worker('w-swift', report('swift', 20_000 * MiB));
    add({ replicas: { min: 0, max: 2 } }, layerMiB);
    let asked = request();
    ready(swift, instance());
    for (let times = 0; times < 12; times += 1) {
      grid.wall += 1000;
      ends(asked, { outcome: answer(20, 1000) });
      asked = request();
    }
    grid.worker('w-slow', report('slow', 2000 * MiB));
    ask('loadModel', { name: 'tiny' });
    const told = grid.groups.flatMap(([, [kind, ...rest]]) =>
      kind === decided.workerNamed ? [rest[3]] : [],
    );
    expect(told).toContainEqual([['w-slow tiny', 'answers on slow', expect.any(Number)]]);
    expect(known('w-slow') / known('w-swift')).toBeGreaterThan(2);
  });

  it('is told of loads how far off they were foretold: by what was measured of the machine first', () => {
    const calibration = { at: 0, memoryBytesPerS: 64 * MiB, diskReadBytesPerS: 128 * MiB };
    beginGrid();
    worker = grid.worker('w-1', { ...serving, devices, calibration });
    add({}, layerMiB);
    request();
    const task = instance();
    grid.pass(3000, [worker]);
    ready(worker, task);
    grid.pass(1000, [worker]);
    const told = ({ state }: typeof grid) =>
      nodeDocument(state, state.workers.get('w-1' as never) as never).predictions;
    expect(told(grid)).toEqual([
      {
        taskClass: 'instance tiny',
        load: { seen: 1, factor: expect.closeTo(3, 0), lean: expect.anything() },
      },
    ]);
    for (const through of [false, true]) expect(told(grid.restart(through))).toEqual(told(grid));
  });

  it('is estimated by the card, and the load by the disk, before anything was asked', () => {
    const calibration = { at: 0, memoryBytesPerS: 10e9, diskReadBytesPerS: 64 * 1024 ** 2 };
    grid.worker('w-0', { ...serving, devices: [{ ...gpu('r', 4000), name: 'RTX 3060' }], calibration });
    const { description, serving: as } = modelSpec({}, layerMiB);
    const { workers } = ask('planModel', { description, serving: as }) as ModelPlanDocument;
    const one = workers.find(({ name }) => name === 'w-0' || name.includes('w-0'));
    expect(one?.tokensPerS).toMatchObject({ from: 'estimated' });
    expect(one?.loadMs).toEqual({ value: 1000, from: 'estimated' });
  });
});
