/** Idle instances end to make room for another model (E34). */
import type { PrincipalId, SessionId } from '@gryphgen/protocol';
import { beforeEach, describe, expect, it } from 'vitest';
import { CoreFixture, sent } from '../core.fixture.ts';
import { explainDocument } from '../placing/explaining.ts';
import type { Task } from '../state.ts';
import {
  add,
  ask,
  beginGrid,
  cancelled,
  done,
  grid,
  instance,
  instances,
  ready,
  request,
  serving,
} from './instances.fixture.ts';
import { MiB } from './models.fixture.ts';

beforeEach(() => beginGrid());

describe('room for another model', () => {
  const small = { ...serving, memoryBytes: 400 * MiB };
  let worker: SessionId;
  beforeEach(() => {
    worker = grid.worker('w-1', small);
    add({ name: 'one' }, 60);
    add({ name: 'two' }, 60);
  });
  function serve(name: string): Task {
    const task = request(name);
    ready(worker);
    return task;
  }

  it('is made by one that is idle and has answered', () => {
    const first = serve('one');
    const task = instance();
    grid.pass(6000, [worker]);
    done(worker, first);
    grid.pass(1000, [worker]);
    const waiting = request('two');
    expect(task.cancelRequested).toBe(true);
    expect(explainDocument(grid.state, waiting, grid.wall).decision).toBe(
      'waits: two fits nowhere now: room is made for it: t1 (one) unloaded',
    );
    done(worker, task, cancelled);
    expect(task.outcome?.failure?.message).toBe('it made room for two');
    expect(instance()).toMatchObject({ phase: 'leased' });
    ready(worker);
    expect(waiting.lease?.worker).toBe('w-1');
  });

  it('is never made by one that answers somebody', () => {
    serve('one');
    request('two');
    grid.pass(120_000, [worker]);
    expect(instance().cancelRequested).toBe(false);
  });

  it('nor by one that has not had its turn, for half a minute', () => {
    ask('loadModel', { name: 'one' });
    ready(worker);
    request('two');
    grid.pass(25_000, [worker]);
    expect(instance().cancelRequested).toBe(false);
    grid.pass(6000, [worker]);
    expect(instance().cancelRequested).toBe(true);
  });

  it('nor by one that is to be there always', () => {
    add({ name: 'one', replicas: { min: 1, max: 1 } }, 60);
    grid.pass(500, [worker]);
    ready(worker);
    request('two');
    grid.pass(60_000, [worker]);
    expect(instance()).toMatchObject({ cancelRequested: false, spec: { envelope: { model: 'one' } } });
  });

  it('is made by no more than are needed, those that were used least lately first', () => {
    const wide = grid.worker('w-2', { ...serving, memoryBytes: 800 * MiB, speed: 2 });
    add({ name: 'three' }, 60);
    const [first, second] = [request('one'), request('two')];
    for (const task of instances()) ready(wide, task);
    grid.pass(6000, [worker, wide]);
    done(wide, second);
    grid.pass(1000, [worker, wide]);
    done(wide, first);
    grid.step({ kind: 'sessionClosed', session: worker });
    add({ name: 'large' }, 170);
    grid.pass(30_000, [wide]);
    request('large');
    expect(instances().filter((task) => task.cancelRequested)).toHaveLength(1);
    expect(instances().find((task) => task.cancelRequested)?.spec.envelope.model).toBe('two');
  });
});

describe('a turn for who has waited too long', () => {
  let worker: SessionId;
  beforeEach(() => {
    worker = grid.worker('w-1', { ...serving, memoryBytes: 400 * MiB });
    add({ name: 'one' }, 60);
    add({ name: 'two' }, 60);
  });

  it('comes though the other is never idle, before those who wait for that', () => {
    const first = request('one');
    ready(worker);
    const busy = instance();
    const other = request('two');
    grid.pass(29_000, [worker]);
    const second = request('one');
    expect([second.phase, other.phase]).toEqual(['leased', 'waiting']);
    grid.pass(2000, [worker]);
    const third = request('one');
    expect([busy.cancelRequested, third.phase]).toEqual([false, 'waiting']);
    expect(explainDocument(grid.state, other, grid.wall).decision).toBe(
      'waits: two fits nowhere now: it has waited for its turn: t1 (one) ends with its last answers',
    );
    done(worker, first);
    expect(busy.cancelRequested).toBe(false);
    done(worker, second);
    grid.pass(500, [worker]);
    expect(busy.cancelRequested).toBe(true);
    done(worker, busy, cancelled);
    expect(busy.outcome?.failure?.message).toBe("it was two's turn");
    expect(instance()).toMatchObject({ phase: 'leased', spec: { envelope: { model: 'two' } } });
    ready(worker);
    expect([other.phase, third.phase]).toEqual(['leased', 'waiting']);
    // And back again, after another turn.
    grid.pass(31_000, [worker]);
    done(worker, other);
    grid.pass(500, [worker]);
    expect(instance().cancelRequested).toBe(true);
  });

  it('is as long as a load pays for', () => {
    const first = request('one');
    grid.pass(20_000, [worker]);
    ready(worker);
    request('two');
    grid.pass(78_000, [worker]);
    expect(request('one').phase).toBe('leased');
    grid.pass(3000, [worker]);
    expect([first.phase, request('one').phase]).toEqual(['leased', 'waiting']);
  });

  it('is not taken from one that has just come, nor from one that is to be there always', () => {
    add({ name: 'one', replicas: { min: 1, max: 1 } }, 60);
    grid.pass(500, [worker]);
    ready(worker);
    request('one');
    const other = request('two');
    grid.pass(120_000, [worker]);
    expect([instance().cancelRequested, other.phase]).toEqual([false, 'waiting']);
  });
});

describe('room for a task that waits', () => {
  const wide = { resources: { cpuMilli: 0, memoryBytes: 300 * MiB, diskBytes: 0 } };
  let worker: SessionId;
  let client: SessionId;
  beforeEach(() => {
    worker = grid.worker('w-1', { ...serving, memoryBytes: 400 * MiB });
    client = grid.client('submitter', 'c-tasks', 'p-tasks');
    add({ name: 'one' }, 60);
  });
  const waits = (): Task => {
    const [accepted] = sent(grid.submit(client, 1, wide), 'accepted');
    return grid.task(accepted?.task as number) as Task;
  };

  it('is made by one that nobody has asked for half a minute, and the task takes it', () => {
    const first = request('one');
    grid.pass(8000, [worker]);
    ready(worker);
    const loaded = instance();
    grid.pass(6000, [worker]);
    done(worker, first);
    const task = waits();
    const told = () => explainDocument(grid.state, task, grid.wall).decision;
    grid.pass(28_000, [worker]);
    expect(loaded.cancelRequested).toBe(false);
    expect(told()).toMatch(/^waiting: .*; t1 \(one\) makes room for it in 2 s, unless somebody asks before$/);
    grid.pass(3000, [worker]);
    expect(loaded.cancelRequested).toBe(true);
    expect(told()).toMatch(/; room is made for it: t1 \(one\) unloaded$/);
    done(worker, loaded, cancelled);
    expect(loaded.outcome?.failure?.message).toBe('it made room for t2');
    expect(task.phase).toBe('leased');
  });

  it('is made sooner by one that is soon loaded again: four times as long as its load took', () => {
    const first = request('one');
    grid.pass(2000, [worker]);
    ready(worker);
    const loaded = instance();
    grid.pass(6000, [worker]);
    done(worker, first);
    const task = waits();
    grid.pass(7000, [worker]);
    expect(loaded.cancelRequested).toBe(false);
    grid.pass(3000, [worker]);
    expect(loaded.cancelRequested).toBe(true);
    done(worker, loaded, cancelled);
    expect(task.phase).toBe('leased');
  });

  it('is not made by one that answers, nor for what would not fit then', () => {
    request('one');
    ready(worker);
    const task = waits();
    grid.pass(120_000, [worker]);
    expect([instance().cancelRequested, task.phase]).toEqual([false, 'waiting']);
  });

  it('is not made for what waits for its principal’s quota', () => {
    const quota = { memoryBytes: 350 * MiB };
    beginGrid(new CoreFixture(1, { everybody: {}, named: new Map([['p-tasks' as PrincipalId, { quota }]]) }));
    worker = grid.worker('w-1', { ...serving, memoryBytes: 520 * MiB });
    client = grid.client('submitter', 'c-tasks', 'p-tasks');
    add({ name: 'one' }, 60);
    ask('loadModel', { name: 'one' });
    ready(worker);
    grid.submit(client, 1, { resources: { ...wide.resources, memoryBytes: 100 * MiB } });
    const loaded = instance();
    grid.submit(client, 2, wide);
    grid.pass(45_000, [worker]);
    expect(loaded.cancelRequested).toBe(false);
  });
});
