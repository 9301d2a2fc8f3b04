/** Idle instances end to make room for another model (E34). */
import type { SessionId } from '@gryphgen/protocol';
import { beforeEach, describe, expect, it } from 'vitest';
import { explainDocument } from './explaining.ts';
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
import type { Task } from './state.ts';

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
