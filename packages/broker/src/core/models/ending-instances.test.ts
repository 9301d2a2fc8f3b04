/** Instances that the broker ends, and why (E34). */
import type { SessionId } from '@gryphgen/protocol';
import { beforeEach, describe, expect, it } from 'vitest';
import { type CoreFixture, sent } from '../core.fixture.ts';
import type { Task } from '../state.ts';
import {
  add,
  admin,
  ask,
  beginGrid,
  cancelled,
  done,
  fence,
  grid,
  instance,
  instances,
  model,
  ready,
  request,
  serving,
} from './instances.fixture.ts';

beforeEach(() => beginGrid());

describe('an instance ends', () => {
  let worker: SessionId;
  beforeEach(() => {
    worker = grid.worker('w-1', serving);
  });
  /** Its worker was told to, and does. */
  function stop(effects: ReturnType<CoreFixture['pass']>, task: Task): void {
    expect(sent(effects, 'stop')[0]).toMatchObject({ task: task.id, reason: 'cancel' });
    done(worker, task, cancelled);
  }

  it('when nobody has asked it for long, and says so', () => {
    add({ idleMs: 10_000 });
    const first = request();
    ready(worker);
    const task = instance();
    grid.pass(20_000, [worker]);
    expect(task.cancelRequested).toBe(false);
    done(worker, first);
    expect(sent(grid.pass(9000, [worker]), 'stop')).toEqual([]);
    const effects = grid.pass(1500, [worker]);
    expect(model().instances).toMatchObject([{ state: 'stopping' }]);
    expect(model().heldOn).toEqual([{ worker: 'w-1', name: 'w-1' }]);
    stop(effects, task);
    expect(task.outcome).toMatchObject({
      state: 'cancelled',
      failure: { code: 'cancelled.broker', message: 'nobody asked for 10 s' },
    });
    grid.pass(5000, [worker]);
    expect(instances()).toEqual([]);
  });

  it('never, where as many are to be there always', () => {
    add({ idleMs: 0, replicas: { min: 1, max: 1 } });
    grid.pass(500, [worker]);
    ready(worker);
    grid.pass(60_000, [worker]);
    expect(instance().cancelRequested).toBe(false);
  });

  it('when it is to be unloaded, as soon as it has answered', () => {
    add();
    const first = request();
    ready(worker);
    ask('unloadModel', { name: 'tiny' });
    const task = instance();
    expect(task.cancelRequested).toBe(false);
    expect(model().instances).toMatchObject([{ state: 'draining', busy: 1 }]);
    const second = request();
    expect(second.lease).toBeNull();
    stop(done(worker, first), task);
    expect(task.outcome?.failure?.message).toBe('it was to be unloaded');
    expect(instance().id).not.toBe(task.id);
  });

  it('when its model is removed, and those who wait are told', () => {
    add();
    const [first, , third] = [request(), request(), request()];
    ready(worker);
    ask('removeModel', { name: 'tiny' });
    grid.pass(500, [worker]);
    expect(third.outcome).toMatchObject({ state: 'failed', failure: { code: 'rejected.not-found' } });
    expect(instance().cancelRequested).toBe(false);
    done(worker, first);
    grid.pass(500, [worker]);
    expect(instance().cancelRequested).toBe(false);
    for (const { id } of grid.state.tasks.values()) if (id > 1000) done(worker, grid.task(id) as Task);
    grid.pass(500, [worker]);
    expect(instance().cancelRequested).toBe(true);
  });

  it('when its model is served in another way, and another begins', () => {
    add();
    const first = request();
    ready(worker);
    const former = instance();
    add({ idleMs: 5000 });
    const second = request();
    expect(second.lease).toBeNull();
    expect(instances()).toHaveLength(2);
    grid.pass(500, [worker]);
    ready(worker, instances()[1]);
    expect(second.lease?.worker).toBe('w-1');
    grid.pass(1000, [worker]);
    expect(former.cancelRequested).toBe(false);
    done(worker, first);
    grid.pass(500, [worker]);
    expect(former.cancelRequested).toBe(true);
    done(worker, former, cancelled);
    expect(instance().cancelRequested).toBe(false);
  });

  it('when its machine drains, once it has answered, and another begins elsewhere', () => {
    add();
    const first = request();
    ready(worker);
    const former = instance();
    const other = grid.worker('w-2', serving);
    grid.say(admin, { kind: 'request', id: 901, op: 'drain', args: { node: 'w-1', draining: true } });
    const second = request();
    expect(second.lease).toBeNull();
    grid.pass(500, [worker, other]);
    expect(instances().map(({ lease }) => lease?.worker)).toEqual(['w-1', 'w-2']);
    expect(former.cancelRequested).toBe(false);
    done(worker, first);
    grid.pass(500, [worker, other]);
    done(worker, former, cancelled);
    expect(former.outcome?.failure?.message).toBe('its machine is draining');
    ready(other);
    expect(second.lease?.worker).toBe('w-2');
  });

  it('when it is one too many, since a machine that drained takes tasks again', () => {
    add({ serving: { slotTokens: 256, slots: 1, kvType: 'f16' } });
    request();
    ready(worker);
    const other = grid.worker('w-2', serving);
    const drain = (id: number, draining: boolean) =>
      grid.say(admin, { kind: 'request', id, op: 'drain', args: { node: 'w-1', draining } });
    drain(902, true);
    request();
    ready(other, instances()[1]);
    drain(903, false);
    grid.pass(1000, [worker, other]);
    expect(instances().some((task) => task.cancelRequested)).toBe(false);
    done(
      worker,
      [...grid.state.tasks.values()].find(({ id, lease }) => id > 1000 && lease?.worker === 'w-1') as Task,
    );
    grid.pass(1000, [worker, other]);
    expect(instances().map((task) => task.cancelRequested)).toEqual([true, false]);
  });

  it('when its machine has no slot left for who asks it', () => {
    add();
    ask('loadModel', { name: 'tiny' });
    ready(worker);
    const task = instance();
    grid.worker('w-1', { ...serving, slots: 1 }, [
      { ...fence(task), phase: 'running', reservation: task.lease?.reservation } as never,
    ]);
    const waiting = request();
    const session = grid.state.workers.get('w-1' as never)?.session as SessionId;
    grid.pass(11_000, [session]);
    expect(waiting.lease).toBeNull();
    expect(task.cancelRequested).toBe(true);
    done(session, task, cancelled);
    expect(task.outcome?.failure?.message).toBe('its machine has no slot left for who asks it');
  });

  it('by somebody’s cancel, with that reason', () => {
    add();
    request();
    ready(worker);
    const task = instance();
    grid.say(admin, { kind: 'request', id: 900, op: 'cancel', args: { task: task.id } });
    done(worker, task, cancelled);
    expect(task.outcome?.failure?.code).toBe('cancelled.user');
  });
});
