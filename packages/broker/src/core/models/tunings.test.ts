/** Settings that were measured: what begins with them, when they count no more, and the trials that measure them (E39). */
import type {
  ModelDocument,
  ModelPlanDocument,
  Serving,
  TuningFound,
  WorkerReport,
} from '@gryphgen/protocol';
import { beforeEach, describe, expect, it } from 'vitest';
import { sent } from '../core.fixture.ts';
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
} from './instances.fixture.ts';
import { modelSpec } from './models.fixture.ts';

const engines = [{ name: 'llama-server', version: 'b1', backends: ['cpu', 'cuda'] }];
const machine: Partial<WorkerReport> = { ...serving, engines, cpuMilli: 8000 };
const usual = modelSpec().serving;
const better: Serving = { ...usual, slots: 4, threads: 3, microBatchTokens: 1024, flashAttention: false };

function found(over: Partial<TuningFound> = {}): TuningFound {
  const speeds = { roundMs: 100, promptTokensPerS: 500, outputTokensPerS: 50 };
  return {
    devices: [],
    serving: better,
    best: speeds,
    untuned: { ...speeds, roundMs: 150 },
    load: 4,
    trials: 5,
    ...over,
  };
}
const keep = (over: Partial<TuningFound> = {}, worker = 'w-1') =>
  ask('tuneModel', { name: 'tiny', worker, found: found(over) }) as ModelDocument;
const forget = () => ask('tuneModel', { name: 'tiny' });

beforeEach(() => beginGrid());

describe('a tuning', () => {
  it('is how the next instance there is begun, and holds the CPUs of its threads', () => {
    const worker = grid.worker('w-1', machine);
    add();
    expect(keep().tunings).toMatchObject([{ worker: 'w-1', workerName: 'w-1', stale: '', by: 'p-1' }]);
    request();
    expect(instance().lease?.reservation.cpuMilli).toBe(3000);
    ready(worker);
    expect(model().instances).toMatchObject([{ slots: 4, state: 'ready' }]);
    expect(model().instances[0]?.words).toContain(
      'tuned: 4 slots, 3 threads, batch usual/1024, flash attention off',
    );
    const others = [request(), request(), request(), request()];
    expect(others.map(({ lease }) => lease?.worker)).toEqual(['w-1', 'w-1', 'w-1', undefined]);
  });

  it('leaves what is loaded as it is, and is the same for who replays or reads a snapshot', () => {
    const worker = grid.worker('w-1', machine);
    add();
    request();
    ready(worker);
    keep();
    grid.pass(1000, [worker]);
    expect(model().instances).toMatchObject([{ slots: 2, state: 'ready' }]);
    const kept = grid.state.models.known.get('tiny');
    for (const after of [grid.restart(), grid.restart(true)])
      expect(after.state.models.known.get('tiny')).toEqual(kept);
  });

  it('is decided once, however often it is ordered, and forgotten by order', () => {
    grid.worker('w-1', machine);
    add();
    keep();
    const decisions = grid.groups.length;
    keep();
    expect(grid.groups).toHaveLength(decisions);
    forget();
    expect(model().tunings).toEqual([]);
    request();
    expect(instance().lease?.reservation.cpuMilli).not.toBe(3000);
  });

  it.each<[string, Partial<WorkerReport>, string]>([
    [
      'another engine',
      { engines: [{ ...engines[0], version: 'b2' } as never] },
      'there is llama-server b2 (cpu, cuda) now',
    ],
    ['other hardware', { cpuMilli: 4000 }, 'it is 4 CPU of a kind unknown now'],
  ])('counts no more with %s, and says why', (_, change, words) => {
    grid.worker('w-1', machine);
    add();
    keep();
    grid.worker('w-1', { ...machine, ...change }, [], 'b2');
    expect(model().tunings?.[0]?.stale).toContain(words);
    request();
    expect(instance().spec.envelope.labels).toEqual({});
  });

  it('counts no more when the model is to be served in another way, and goes with its file', () => {
    grid.worker('w-1', machine);
    add();
    keep();
    add({ serving: { ...usual, slots: 3 } });
    expect(model().tunings?.[0]?.stale).toContain(
      'measured for 2 × 256 tokens of f16, it is to be served with 3 ×',
    );
    add({ artifact: { digest: `sha256:${'2'.repeat(64)}`, bytes: 5 } as never });
    expect(model().tunings).toEqual([]);
  });

  it('is of one device, and counts where there is room for it', () => {
    grid.worker('w-1', { ...machine, devices: [gpu('GPU-1', 700)] });
    add();
    keep({ devices: ['GPU-1' as never] });
    const { description } = modelSpec();
    const plan = () =>
      (ask('planModel', { name: 'tiny', description, serving: usual }) as ModelPlanDocument).workers[0];
    expect(plan()).toMatchObject({ kind: 'whole', tuning: { stale: '', devices: ['GPU-1'] } });
    keep({ devices: ['GPU-1' as never], serving: { ...better, slots: 64, slotTokens: 512 * 1024 } });
    expect(plan()).toMatchObject({ kind: 'whole', tuning: { stale: 'there is no room for it now' } });
    request();
    expect(instance().lease?.reservation.devices).toMatchObject([{ uuid: 'GPU-1' }]);
    expect(model().instances[0]?.words).toContain('no room for the settings it was tuned to');
    expect(instance().spec.envelope.labels).toEqual({});
  });

  it('is of a model and a worker that are there', () => {
    grid.worker('w-1', machine);
    add();
    expect(() => keep({}, 'w-9')).toThrow('no worker "w-9"');
    expect(() => ask('tuneModel', { name: 'tny' })).toThrow('it has tiny');
    expect(() => ask('tuneModel', { name: 'tiny', found: found() })).toThrow('the one that it was found on');
  });
});

describe('a trial', () => {
  const trial = (worker = 'w-2') =>
    ask('addModel', { model: modelSpec({ name: 'tiny:trial', trial: { of: 'tiny', worker } }) });

  it('is loaded on its worker alone, and is told to its client alone', () => {
    grid.worker('w-1', { ...machine, speed: 9 });
    grid.worker('w-2', machine);
    trial();
    ask('loadModel', { name: 'tiny:trial' });
    expect(instance().lease?.worker).toBe('w-2');
    expect(model('tiny:trial').trial).toMatchObject({ of: 'tiny', client: 'p-1 c1' });
    const other = grid.client('admin', 'c2');
    const told = grid.say(other, { kind: 'request', id: 1, op: 'models', args: {} });
    expect(sent(told, 'reply')).toMatchObject([{ result: [] }]);
  });

  it('is not begun in part on a device', () => {
    const worker = grid.worker('w-2', { ...machine, devices: [gpu('GPU-1', 640)] });
    ask('addModel', { model: modelSpec({ name: 'tiny:trial', trial: { of: 'tiny', worker: 'w-2' } }, 100) });
    ask('loadModel', { name: 'tiny:trial' });
    expect(instances()).toEqual([]);
    expect(grid.state.models.lifeOf('tiny:trial').reasons[0]).toContain('it fits in part only');
    expect(model('tiny:trial').trouble).toBe('');
    grid.pass(30_000, [worker]);
    expect(model('tiny:trial').trouble).toContain('it fits in part only');
  });

  it('that fails is not tried again', () => {
    const worker = grid.worker('w-2', machine);
    trial();
    ask('loadModel', { name: 'tiny:trial' });
    done(worker, instance(), broken);
    grid.pass(500, [worker]);
    expect(instances()).toEqual([]);
    expect(model('tiny:trial').trouble).toContain('the file is no model');
  });

  it('goes when its client is gone, also after a restart of the broker', () => {
    const worker = grid.worker('w-2', machine);
    trial();
    ask('loadModel', { name: 'tiny:trial' });
    ready(worker);
    grid.pass(20_000, [worker]);
    expect(grid.state.models.known.has('tiny:trial')).toBe(true);
    expect(grid.state.models.lessons.save()).toMatchObject({ speeds: [], loads: [] });
    const after = grid.restart();
    after.pass(9000);
    expect(after.state.models.known.has('tiny:trial')).toBe(true);
    after.pass(2000);
    expect(after.state.models.known.has('tiny:trial')).toBe(false);
  });
});
