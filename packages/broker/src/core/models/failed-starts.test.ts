/** Instances that do not come up (E34). */
import { failure } from '@gryphgen/protocol';
import { beforeEach, describe, expect, it } from 'vitest';
import {
  add,
  ask,
  beginGrid,
  broken,
  done,
  gpu,
  grid,
  instance,
  instances,
  model,
  ready,
  request,
  serving,
  start,
} from './instances.fixture.ts';

beforeEach(() => beginGrid());

describe('an instance that does not come up', () => {
  it('is tried three times, then its model is in trouble for a while', () => {
    const worker = grid.worker('w-1', serving);
    add();
    const waiting = request();
    for (let times = 0; times < 3; times += 1) {
      const task = instance();
      start(worker, task);
      done(worker, task, broken);
      grid.pass(4000, [worker]);
    }
    expect(instances()).toEqual([]);
    expect(waiting.outcome).toMatchObject({ state: 'failed', failure: { code: 'execution.model' } });
    expect(model().trouble).toBe(
      'tiny could not be loaded, 3 times in a row: the file is no model (t1 on w-1); it is tried again after 30 s',
    );
    expect(request().outcome?.state ?? 'waiting').toMatch(/failed/);
    grid.pass(30_000, [worker]);
    const later = request();
    expect(later.phase).toBe('waiting');
    done(worker, instance(), broken);
    expect(model().trouble).toMatch(/4 times in a row.*after 1 m/);
    grid.pass(61_000, [worker]);
    request();
    ready(worker);
    expect(model().trouble).toBe('');
  });

  it('goes elsewhere next time, where it can', () => {
    const worker = grid.worker('w-1', { ...serving, speed: 2 });
    const other = grid.worker('w-2', serving);
    add();
    request();
    done(worker, instance(), failure('rejected.invalid', 'this engine knows no such file'));
    expect(instances()).toEqual([]);
    grid.pass(30_500, [worker, other]);
    request();
    expect(instance().lease?.worker).toBe('w-2');
  });

  it('is tried again at once when somebody has it loaded, or served in another way', () => {
    const worker = grid.worker('w-1', serving);
    add();
    for (const again of [() => ask('loadModel', { name: 'tiny' }), () => add({ idleMs: 7 })]) {
      request();
      for (let times = 0; times < 3 && instances().length > 0; times += 1) {
        done(worker, instance(), broken);
        grid.pass(4000, [worker]);
      }
      expect(model().trouble).toMatch(/could not be loaded/);
      again();
      expect(model().trouble).toBe('');
    }
  });

  it("and runs out of a device's memory is begun once more with less of it, and then waits", () => {
    const worker = grid.worker('w-1', { ...serving, devices: [gpu('g', 2000)] });
    add({}, 400);
    const waiting = request();
    const tooMuch = failure('execution.oom', 'llama-server ended: cudaMalloc failed: out of memory');
    const first = instance();
    const held = () => instance().lease?.reservation.devices[0]?.vramBytes ?? 0;
    const before = held();
    expect(model().instances[0]?.words).toContain('3 of 3 layers on g');
    start(worker, first);
    done(worker, first, tooMuch);
    expect(first.outcome).toMatchObject({ state: 'failed', failure: tooMuch });
    expect(waiting.phase).toBe('waiting');
    expect(instance().id).not.toBe(first.id);
    expect(held()).toBeLessThanOrEqual((before * 3) / 4);
    const words = model().instances[0]?.words;
    expect(words).toMatch(/1 of 3 layers on g, .*; 1314.* of g were too little to load it/);
    expect(JSON.stringify(ask('explain', { task: waiting.id }))).toContain(words);
    done(worker, instance(), tooMuch);
    expect(instances()).toEqual([]);
    expect(model().trouble).toMatch(/2 times in a row: llama-server ended: cudaMalloc failed.*after 30 s/);
    expect(waiting.outcome?.state).toBe('failed');
    ask('loadModel', { name: 'tiny' });
    // What was too little has taught how much it takes.
    expect(held()).toBeGreaterThan(before);
  });

  it('counts as failed so when it came up for a moment alone', () => {
    const worker = grid.worker('w-1', serving);
    add();
    request();
    for (let times = 0; times < 3; times += 1) {
      const task = instance();
      ready(worker, task);
      grid.pass(2000, [worker]);
      done(worker, task, broken);
      grid.pass(4000, [worker]);
    }
    expect(model().trouble).toMatch(/3 times in a row/);
  });
});
