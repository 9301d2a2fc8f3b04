/** Instances: when the broker begins one, where, and when it ends one (E34). */
import type { SessionId } from '@gryphgen/protocol';
import { beforeEach, describe, expect, it } from 'vitest';
import { leases } from '../core.fixture.ts';
import { explainDocument } from '../placing/explaining.ts';
import type { Task } from '../state.ts';
import {
  add,
  beginGrid,
  done,
  gpu,
  grid,
  instance,
  instances,
  model,
  ready,
  request,
  serving,
} from './instances.fixture.ts';
import { MiB } from './models.fixture.ts';

beforeEach(() => beginGrid());

describe('an instance on demand', () => {
  it('is begun for the first who asks, and serves all who do', () => {
    const worker = grid.worker('w-1', serving);
    add();
    expect(instances()).toEqual([]);
    const [first, second] = [request(), request()];
    expect(instance()).toMatchObject({ phase: 'leased', principal: 'p-1', client: '' });
    expect([first.phase, second.phase]).toEqual(['waiting', 'waiting']);
    ready(worker);
    expect([first.lease?.worker, second.lease?.worker]).toEqual(['w-1', 'w-1']);
    expect(model()).toMatchObject({
      running: 2,
      waiting: 0,
      instances: [{ state: 'ready', busy: 2, slots: 2 }],
    });
  });

  it('answers no more than it has slots for', () => {
    const worker = grid.worker('w-1', serving);
    add();
    const [first, second, third] = [request(), request(), request()];
    ready(worker);
    expect(third.lease).toBeNull();
    expect(explainDocument(grid.state, third, grid.wall).workers).toMatchObject([
      { reasons: ['its instances of tiny answer 2 requests, all 2 slots'] },
    ]);
    done(worker, first);
    expect(third.lease?.worker).toBe('w-1');
    expect(second.lease?.worker).toBe('w-1');
  });

  it('goes on the device that holds all of it before any that holds a part, and on the host last', () => {
    grid.worker('w-1', { ...serving, speed: 2 });
    grid.worker('w-2', { ...serving, devices: [gpu('GPU-small', 580)] });
    grid.worker('w-3', { ...serving, devices: [gpu('GPU-large', 4096)] });
    add({}, 60);
    request();
    expect(instance().lease).toMatchObject({
      worker: 'w-3',
      reservation: { devices: [{ uuid: 'GPU-large', whole: false }] },
    });
    expect(leases(grid.effects)).toHaveLength(1);
  });

  it('goes partly on a device where none holds all of it', () => {
    grid.worker('w-1', { ...serving, speed: 2 });
    grid.worker('w-2', { ...serving, devices: [gpu('GPU-small', 640)] });
    add({}, 100);
    request();
    expect(instance().lease).toMatchObject({
      worker: 'w-2',
      reservation: { devices: [{ uuid: 'GPU-small' }] },
    });
    expect(model().instances[0]?.words).toMatch(/^on w-2: 1 of 3 layers|^on w-2: 2 of 3 layers/);
  });

  it('waits where it fits nowhere, and says why', () => {
    const others = 874 * MiB - 32 * MiB;
    grid.worker('w-1', { ...serving, foreignBytes: others });
    add({}, 60);
    const task = request();
    expect(instances()).toEqual([]);
    const { decision } = explainDocument(grid.state, task, grid.wall);
    expect(decision).toMatch(
      /^waits: tiny fits nowhere now: w-1: memory: 251.2 MiB asked, 150 MiB free of 1 GiB .*: 101.2 MiB short$/,
    );
    expect(grid.state.tasks.has(task.id)).toBe(true);
    grid.worker('w-2', serving);
    grid.pass(2000);
    expect(instance().lease?.worker).toBe('w-2');
  });

  it('one that waits for a place that others took is planned anew', () => {
    const worker = grid.worker('w-1', serving);
    add();
    request();
    expect(instance().lease?.worker).toBe('w-1');
    const lost = instance();
    grid.step({ kind: 'sessionClosed', session: worker });
    const other = grid.worker('w-2', serving);
    const session = grid.worker('w-1', { ...serving, slots: 0 }, [], 'b2');
    expect(lost.phase).toBe('waiting');
    grid.pass(12_000, [session, other]);
    expect(lost.outcome).toMatchObject({ state: 'cancelled', failure: { code: 'cancelled.broker' } });
    expect(lost.outcome?.failure?.message).toMatch(/^it found no place on w-1: all of it on the host/);
    expect(instance().spec.envelope.constraints.worker).toBe('w-2');
  });

  it('is one more when those who ask wait, and as many as there may be', () => {
    const workers = [grid.worker('w-1', serving), grid.worker('w-2', serving), grid.worker('w-3', serving)];
    add({ replicas: { min: 0, max: 2 }, serving: { slotTokens: 256, slots: 1, kvType: 'f16' } });
    request();
    ready(workers[0] as SessionId);
    for (let more = 0; more < 3; more += 1) request();
    grid.pass(1500, workers);
    expect(instances()).toHaveLength(1);
    grid.pass(1000, workers);
    expect(instances().map(({ lease }) => lease?.worker)).toEqual(['w-1', 'w-2']);
    ready(workers[1] as SessionId, instances()[1] as Task);
    grid.pass(5000, workers);
    expect(instances()).toHaveLength(2);
  });
});

describe('a restart of the broker', () => {
  it('finds its instances, and asks them again when their workers have told', () => {
    const worker = grid.worker('w-1', serving);
    add();
    request();
    ready(worker);
    const before = instance();
    for (const after of [grid.restart(), grid.restart(true)]) {
      beginGrid(after);
      const attempt = {
        ...{ task: before.id, attempt: before.attempt, epoch: 1, phase: 'running' },
        reservation: before.lease?.reservation,
      };
      const session = grid.worker('w-1', serving, [attempt] as never);
      expect(model().instances).toMatchObject([{ state: 'starting' }]);
      const task = request();
      expect(task.phase).toBe('waiting');
      expect(instances()).toHaveLength(1);
      const health = { state: 'healthy', words: '' };
      const said = { task: before.id, attempt: before.attempt, epoch: 1, seq: 1, ports: [], health };
      grid.say(session, { kind: 'served', ...said } as never);
      expect(task.lease?.worker).toBe('w-1');
    }
  });
});

it('in a stall nothing is begun or ended, and afterwards it is', () => {
  const worker = grid.worker('w-1', serving);
  add();
  grid.step({ kind: 'journalStalled', stalled: true });
  request();
  grid.pass(2000, [worker]);
  expect(instances()).toEqual([]);
  grid.step({ kind: 'journalStalled', stalled: false });
  grid.pass(500, [worker]);
  expect(instances()).toHaveLength(1);
});
