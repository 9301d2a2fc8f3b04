/** Instances whose model no device of a worker holds alone: planned over several, and held as one (E34). */
import {
  type DeviceUuid,
  encodeBody,
  failure,
  type InstanceBody,
  instanceBodySchema,
  type ModelPlanDocument,
  readBody,
  type SessionId,
} from '@gryphgen/protocol';
import { beforeEach, describe, expect, it } from 'vitest';
import { sent } from '../core.fixture.ts';
import { explainDocument } from '../placing/explaining.ts';
import type { Task } from '../state.ts';
import {
  add,
  ask,
  beginGrid,
  cancelled,
  done,
  fence,
  gpu,
  grid,
  instance,
  instances,
  model,
  ready,
  request,
  serving,
} from './instances.fixture.ts';
import { MiB, modelSpec } from './models.fixture.ts';

const divides = { name: 'llama-server', version: '1', backends: ['cpu', 'cuda'], divides: true };
const twoCards = { ...serving, devices: [gpu('a', 1100), gpu('b', 1000)], engines: [divides] };
/** Of 400 MiB each, beside 512 of overhead: one fits on a card, two do not. */
const layerMiB = 400;

beforeEach(() => beginGrid());

const heldOf = ({ lease }: Task) => lease?.reservation.devices ?? [];
function body(): InstanceBody {
  const [made] = grid.effects.flatMap((effect) => (effect.kind === 'prepareInstance' ? [effect.body] : []));
  const read = readBody(instanceBodySchema, made ?? new Uint8Array(0));
  if (!read.ok) throw new Error(read.failure.message);
  return read.value;
}

describe('a model that no card holds alone', () => {
  it('is divided over two, in one reservation, and its worker is told how', () => {
    grid.worker('w-1', twoCards);
    add({}, layerMiB);
    request();
    const task = instance();
    expect(task.lease?.reservation).toMatchObject({ cpuMilli: 1000 });
    expect(heldOf(task).map(({ uuid, whole }) => [uuid, whole])).toEqual([
      ['a', false],
      ['b', false],
    ]);
    expect(body()).toMatchObject({
      ...{ deviceLayers: 3, device: 'a' },
      divided: [{ device: 'a' }, { device: 'b' }],
    });
    expect(body().divided?.reduce((sum, { layers }) => sum + layers, 0)).toBe(3);
    const [document] = model().instances;
    expect(document?.devices).toEqual(['a', 'b']);
    expect(document?.predictedBytes).toBe(heldOf(task).reduce((sum, { vramBytes }) => sum + vramBytes, 0));
    expect(document?.words).toMatch(
      /^on w-1: [12] of 3 layers on a, .* of its memory; [12] on b, .* of its memory$/,
    );
  });

  it('goes whole on one card of another machine rather, and on one alone of any where the engine cannot divide', () => {
    grid.worker('w-1', { ...twoCards, speed: 9 });
    const whole = grid.worker('w-2', { ...serving, devices: [gpu('large', 4000)] });
    add({}, layerMiB);
    request();
    expect(heldOf(instance())).toMatchObject([{ uuid: 'large' }]);
    grid.step({ kind: 'sessionClosed', session: whole });
    beginGrid();
    grid.worker('w-1', { ...twoCards, engines: [{ ...divides, divides: false }] });
    add({}, layerMiB);
    request();
    expect(heldOf(instance())).toHaveLength(1);
    expect(body().divided).toBeUndefined();
  });

  it('has more of its layers on two cards than on one where both together do not hold it', () => {
    grid.worker('w-1', twoCards);
    const { description } = modelSpec({}, layerMiB / 2);
    const { layers } = description;
    add({ description: { ...description, layers: [...layers, ...layers, ...layers] } });
    request();
    expect(heldOf(instance()).map(({ uuid }) => uuid)).toEqual(['a', 'b']);
    // Two of 200 MiB each, and what turns embeddings into tokens on the last.
    expect(body()).toMatchObject({ deviceLayers: 5, divided: [{ layers: 2 }, { layers: 3 }] });
  });

  it('waits for all or holds nothing: a task on one of the cards keeps it off both', () => {
    const worker = grid.worker('w-1', { ...twoCards, memoryBytes: 500 * MiB });
    const gpuPart = { kind: 'part', vramBytes: 600 * MiB, uuid: 'b' as DeviceUuid } as const;
    const client = grid.client('submitter', 'c-tasks', 'p-tasks');
    const submitted = grid.submit(client, 1, {
      resources: { cpuMilli: 0, memoryBytes: 0, diskBytes: 0, gpu: gpuPart },
    });
    const [accepted] = sent(submitted, 'accepted');
    add({}, layerMiB);
    const waiting = request();
    expect(instances()).toEqual([]);
    expect(explainDocument(grid.state, waiting, grid.wall).decision).toMatch(/tiny fits nowhere now/);
    done(worker, grid.task(accepted?.task as number) as Task);
    grid.pass(2000, [worker]);
    expect(heldOf(instance())).toHaveLength(2);
  });

  it('is found again after a restart, and gives back both', () => {
    const worker = grid.worker('w-1', twoCards);
    add({}, layerMiB);
    const asked = request();
    ready(worker);
    const before = instance();
    for (const after of [grid.restart(), grid.restart(true)])
      expect(after.state.tasks.get(before.id)?.lease?.reservation).toEqual(before.lease?.reservation);
    done(worker, asked);
    ask('unloadModel', { name: 'tiny' });
    done(worker, before, cancelled);
    expect(grid.state.workers.get('w-1' as never)?.view.ledger.devices.size).toBe(0);
  });
});

describe('what it teaches', () => {
  let worker: SessionId;
  let before: readonly number[];
  const planned = () => {
    const { description, serving: as } = modelSpec({}, layerMiB);
    const { workers } = ask('planModel', { name: 'tiny', description, serving: as }) as ModelPlanDocument;
    return workers[0];
  };
  const plannedBytes = () => planned()?.devices.map(({ bytes }) => bytes) ?? [];
  beforeEach(() => {
    worker = grid.worker('w-1', { ...twoCards, devices: [gpu('a', 1300), gpu('b', 1250)] });
    add({}, layerMiB);
    before = plannedBytes();
  });
  function ends(task: Task, over: object): void {
    const told = { exitCode: 0, failure: null, ranMs: 5, outcome: new Uint8Array(0) };
    grid.say(worker, { kind: 'result', ...fence(task), ...told, ...over } as never);
  }

  it('is of each card what it took of all together', () => {
    ask('loadModel', { name: 'tiny' });
    const task = instance();
    ready(worker, task);
    const bytes = heldOf(task).reduce((sum, { vramBytes }) => sum + vramBytes, 0);
    ask('unloadModel', { name: 'tiny' });
    ends(task, { failure: cancelled, usage: { peakVramBytes: Math.round(1.1 * bytes) } });
    expect(plannedBytes()).toHaveLength(2);
    for (const [at, now] of plannedBytes().entries()) expect(now / (before[at] ?? 0)).toBeCloseTo(1.1, 2);
  });

  it('is how fast it is on both, and nothing of either alone', () => {
    ask('loadModel', { name: 'tiny' });
    ready(worker);
    const counts = { prompt: 1, cached: 0, output: 100 };
    const answer = { status: 200, firstMs: 1, restMs: 1, outputMs: 2000, tokens: counts };
    const outcome = encodeBody({ result: new TextEncoder().encode(JSON.stringify(answer)) });
    for (let times = 0; times < 3; times += 1) ends(request(), { outcome });
    ask('unloadModel', { name: 'tiny' });
    done(worker, instance(), cancelled);
    expect(planned()?.tokensPerS).toEqual({ value: expect.closeTo(50), from: 'measured' });
    expect(grid.state.models.lessons.speeds.of('tiny', 'a')).toBeUndefined();
  });

  it('is that all had too little where it ran out of memory, since nobody says of which', () => {
    request();
    const held = heldOf(instance());
    done(worker, instance(), failure('execution.oom', 'cudaMalloc failed: out of memory'));
    const next = heldOf(instance());
    for (const { uuid, vramBytes } of next) {
      const had = held.find((share) => share.uuid === uuid)?.vramBytes ?? 0;
      expect(vramBytes).toBeLessThanOrEqual((had * 3) / 4);
    }
    expect(model().instances[0]?.words).toMatch(/ of a and .* of b were too little to load it$/);
  });
});

describe('room on several cards', () => {
  let worker: SessionId;
  beforeEach(() => {
    worker = grid.worker('w-1', { ...twoCards, memoryBytes: 500 * MiB });
    add({ name: 'left' }, 60);
    add({ name: 'right' }, 60);
    add({ name: 'large' }, layerMiB);
  });
  function serve(name: string): Task {
    const task = request(name);
    for (const each of instances()) if (each.spec.envelope.model === name) ready(worker, each);
    return task;
  }

  it('is made by the idle ones of all of them', () => {
    const tasks = [serve('left'), serve('right')];
    expect(instances().flatMap((each) => heldOf(each).map(({ uuid }) => uuid))).toEqual(['b', 'a']);
    grid.pass(6000, [worker]);
    for (const task of tasks) done(worker, task);
    grid.pass(2000, [worker]);
    request('large');
    const ended = instances().filter((task) => task.cancelRequested);
    expect(ended).toHaveLength(2);
    for (const task of ended) done(worker, task, cancelled);
    grid.pass(1000, [worker]);
    expect(heldOf(instance()).map(({ uuid }) => uuid)).toEqual(['a', 'b']);
  });

  it('is never made by one that answers somebody, nor by the idle one beside it in vain', () => {
    const [idle] = [serve('left'), serve('right')];
    grid.pass(6000, [worker]);
    done(worker, idle as Task);
    grid.pass(2000, [worker]);
    request('large');
    grid.pass(20_000, [worker]);
    expect(instances().filter((task) => task.cancelRequested)).toEqual([]);
  });
});
