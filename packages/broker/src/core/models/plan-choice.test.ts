/** Where an instance goes by how fast it would write there, as far as that is known. */
import type { ModelPlanDocument, WorkerReport } from '@gryphgen/protocol';
import { beforeEach, describe, expect, it } from 'vitest';
import {
  add,
  ask,
  beginGrid,
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

const layerMiB = 400;
const fast = { ...gpu('fast', 12_000), name: 'NVIDIA GeForce RTX 3060' };
const slow = { ...gpu('slow', 6000), name: 'NVIDIA GeForce GTX 1060 6GB' };
const unknown = (uuid: string) => ({ ...gpu(uuid, 5000), name: 'a card nobody knows' });
const reads = (diskReadBytesPerS: number, memoryBytesPerS = 10e9): Partial<WorkerReport> => ({
  calibration: { at: 0, memoryBytesPerS, diskReadBytesPerS },
});
const load = () => ask('loadModel', { name: 'tiny' });
const seat = (task = instance()) => task.lease?.reservation.devices.map(({ uuid }) => uuid as string);
const words = () => model().instances[0]?.words ?? '';
const learned = (on: string, tokensPerS: number) =>
  grid.state.models.lessons.speeds.observe('tiny', on, tokensPerS);
const loaded = (worker: string, ms: number) => grid.state.models.lessons.loads.note('tiny', worker, ms);

beforeEach(() => {
  beginGrid();
  add({}, layerMiB);
});

describe('of the cards of one machine', () => {
  it('it goes on the fast one, though less would be left of the slow one, and says why', () => {
    grid.worker('w-1', { ...serving, devices: [slow, fast] });
    load();
    expect(seat()).toEqual(['fast']);
    expect(words()).toMatch(
      /faster on NVIDIA GeForce RTX 3060 \(\d+ tokens\/s\) than on .* 1060 6GB \(\d+ tokens\/s\)$/,
    );
  });

  it('it goes where its answers were fastest, whatever makers say, and the plan that is shown says the same', () => {
    grid.worker('w-1', { ...serving, devices: [fast, slow] });
    learned('fast', 10);
    learned('slow', 20);
    const { description, serving: as } = modelSpec({}, layerMiB);
    const { workers } = ask('planModel', { name: 'tiny', description, serving: as }) as ModelPlanDocument;
    expect(workers[0]?.devices).toMatchObject([{ uuid: 'slow' }]);
    load();
    expect(seat()).toEqual(['slow']);
  });

  it('of about as fast ones it leaves the large one, and where it is not known, too', () => {
    grid.worker('w-1', { ...serving, devices: [fast, slow] });
    learned('fast', 22);
    learned('slow', 20);
    load();
    expect(seat()).toEqual(['slow']);
    beginGrid();
    add({}, layerMiB);
    grid.worker('w-1', { ...serving, devices: [fast, unknown('small')] });
    load();
    expect(seat()).toEqual(['small']);
    expect(words()).not.toContain('faster');
  });

  it('the next one goes on the other, where it need not share', () => {
    const worker = grid.worker('w-1', { ...serving, devices: [fast, slow] });
    add({ replicas: { min: 2, max: 2 } }, layerMiB);
    grid.pass(500, [worker]);
    ready(worker);
    grid.pass(500, [worker]);
    expect(instances().map(seat)).toEqual([['fast'], ['slow']]);
  });
});

describe('of machines', () => {
  it('it goes to the faster card, not to the faster CPU, whoever told first', () => {
    const cards = [
      ['w-1', { ...serving, speed: 9, devices: [slow] }],
      ['w-2', { ...serving, speed: 1, devices: [fast] }],
    ] as const;
    for (const order of [cards, [...cards].reverse()]) {
      beginGrid();
      add({}, layerMiB);
      for (const [name, report] of order) grid.worker(name, report);
      load();
      expect(instance().lease?.worker).toBe('w-2');
      expect(words()).toMatch(
        /; an answer ends sooner on .* 3060 of w-2 \(\d+ tokens\/s\) than on .* 1060 6GB of w-1 /,
      );
    }
  });

  it('it goes to the host with the faster memory', () => {
    grid.worker('w-1', { ...serving, memoryBytes: 4096 * MiB, speed: 9, ...reads(1e9, 5e9) });
    grid.worker('w-2', { ...serving, memoryBytes: 4096 * MiB, speed: 1, ...reads(1e9, 20e9) });
    load();
    expect(instance().lease?.worker).toBe('w-2');
  });

  it('it goes to the faster CPU where of that nothing else is known, or the cards are alike', () => {
    grid.worker('w-1', { ...serving, speed: 1, devices: [fast] });
    grid.worker('w-2', { ...serving, speed: 9, devices: [unknown('u')] });
    load();
    expect(instance().lease?.worker).toBe('w-2');
    beginGrid();
    add({}, layerMiB);
    grid.worker('w-1', { ...serving, speed: 1, devices: [fast] });
    grid.worker('w-2', { ...serving, speed: 9, devices: [{ ...fast, uuid: 'other' as never }] });
    load();
    expect(instance().lease?.worker).toBe('w-2');
  });

  it('counts the load, of a kind that is known of both', () => {
    const two = () => {
      beginGrid();
      add({}, layerMiB);
      grid.worker('w-1', { ...serving, devices: [fast], ...reads(1e9) });
      grid.worker('w-2', { ...serving, devices: [slow], ...reads(1e9) });
    };
    two();
    loaded('w-1', 60_000);
    load();
    expect(instance().lease?.worker).toBe('w-1');
    two();
    loaded('w-1', 60_000);
    loaded('w-2', 1000);
    load();
    expect(instance().lease?.worker).toBe('w-2');
    expect(words()).toMatch(
      /of w-2 \(.* after a load of 1 s\) than on .* of w-1 \(.* after a load of 1 m 0 s\)$/,
    );
    // Of about as long ones that which writes faster, for all answers to come.
    two();
    loaded('w-1', 60_000);
    loaded('w-2', 60_000);
    load();
    expect(instance().lease?.worker).toBe('w-1');
  });

  it('one that holds it whole comes before any that is faster with a part', () => {
    grid.worker('w-1', { ...serving, devices: [{ ...fast, vramBytes: 1000 * MiB }], ...reads(1e9) });
    grid.worker('w-2', { ...serving, devices: [slow], ...reads(1e9) });
    learned('fast', 1000);
    load();
    expect(instance().lease?.worker).toBe('w-2');
  });
});

describe('one that answers where it is slow', () => {
  const asked = (max = 2) => {
    beginGrid();
    const worker = grid.worker('w-1', { ...serving, devices: [slow], ...reads(1e9) });
    add({ replicas: { min: 0, max } }, layerMiB);
    request();
    ready(worker);
    return worker;
  };

  it('is joined by another where an answer takes less than half as long with its load, though nobody waits', () => {
    const worker = asked();
    const better = grid.worker('w-2', { ...serving, devices: [fast], ...reads(1e9) });
    grid.pass(11_000, [worker, better]);
    // Of neither it is known by answers yet.
    expect(instances()).toHaveLength(1);
    learned('slow', 10);
    grid.pass(11_000, [worker, better]);
    expect(instances().map(seat)).toEqual([['slow'], ['fast']]);
  });

  it('is not where the load takes what would be gained, or as many are there as may be', () => {
    for (const [max, loadMs] of [
      [2, 20_000],
      [1, 1000],
    ] as const) {
      const worker = asked(max);
      const better = grid.worker('w-2', { ...serving, devices: [fast], ...reads(1e9) });
      learned('slow', 10);
      loaded('w-2', loadMs);
      grid.pass(30_000, [worker, better]);
      expect(instances()).toHaveLength(1);
    }
  });

  it('is not while nobody asks it', () => {
    const worker = asked();
    const better = grid.worker('w-2', { ...serving, devices: [fast], ...reads(1e9) });
    for (const { id, attempt, spec } of [...grid.state.tasks.values()])
      if (spec.envelope.kind === 'infer') grid.result(worker, id, attempt, null);
    learned('slow', 10);
    grid.pass(30_000, [worker, better]);
    expect(instances()).toHaveLength(1);
  });
});
