import {
  type AttemptNo,
  type Envelope,
  envelopeDefaults,
  type SessionId,
  type TaskId,
  type WorkerId,
} from '@gryphgen/protocol';
import { describe, expect, it } from 'vitest';
import { withoutScores } from '../ended-answers.ts';
import { CoreFixture } from './core.fixture.ts';
import { taskDocument } from './documents.ts';
import { foretold } from './learning.ts';
import { explainDocument } from './placing/explaining.ts';
import { decided } from './record/decisions.ts';
import { saveSnapshot } from './record/snapshot.ts';
import type { Task } from './state.ts';

/** A grid of a fast and a slow worker, each with room for one task, that has seen some tasks of one class. */
class Taught {
  readonly grid = new CoreFixture();
  readonly fast: SessionId;
  readonly slow: SessionId;
  readonly client: SessionId;
  private seq = 0;

  constructor(runs = 12) {
    this.client = this.grid.client();
    this.fast = this.grid.worker('w-fast', { cpuMilli: 1000 });
    this.slow = this.grid.worker('w-slow', { cpuMilli: 1000 });
    for (let run = 0; run < runs; run += 1) {
      this.run('w-fast', 10_000);
      this.run('w-slow', 60_000);
    }
  }

  submit(over: Partial<Envelope> = {}): Task {
    this.seq += 1;
    this.grid.submit(this.client, this.seq, { taskClass: 'train', ...over });
    return this.grid.task(this.seq) as Task;
  }

  end(task: Task, afterMs: number): void {
    const { worker = '' } = task.lease ?? {};
    const session = worker === 'w-fast' ? this.fast : this.slow;
    const fence = {
      task: task.id as TaskId,
      attempt: task.attempt as AttemptNo,
      epoch: this.grid.state.epoch,
    };
    this.grid.wall += afterMs;
    const outcome = new Uint8Array(0);
    this.grid.say(session, { kind: 'result', ...fence, exitCode: 0, failure: null, ranMs: afterMs, outcome });
  }

  /** Starts one where it is to learn from it. */
  private run(worker: string, ms: number): void {
    const task = this.submit({ constraints: { worker, labels: {} } });
    expect(task.lease?.worker).toBe(worker);
    this.end(task, ms);
  }
}

const errorsOf = ({ state }: CoreFixture, worker: string) => state.errors.of(worker, 1)[0];
const expected = ({ state }: CoreFixture, worker: string) => state.learned.runs.run('train', worker)?.p50Ms;

describe('what runs teach', () => {
  it('is the same from the journal and from a snapshot', () => {
    const { grid } = new Taught();
    const known = saveSnapshot(grid.state).learned;
    expect(known?.classes).toHaveLength(1);
    expect(expected(grid, 'w-fast')).toBeCloseTo(10_000, -3);
    expect(saveSnapshot(grid.restart().state).learned).toEqual(known);
    expect(saveSnapshot(grid.restart(true).state).learned).toEqual(known);
  });

  it('is nothing where a task failed, was cancelled, or is a service', () => {
    const all = new Taught(0);
    const failing = all.submit();
    all.grid.say(all.fast, {
      kind: 'result',
      task: failing.id,
      attempt: failing.attempt,
      epoch: all.grid.state.epoch,
      exitCode: 1,
      failure: { code: 'execution.exit', message: 'it failed' },
      ranMs: 5,
      outcome: new Uint8Array(0),
    });
    expect(failing.phase).toBe('ended');
    all.end(all.submit({ restart: 'on-failure' }), 10_000);
    expect(saveSnapshot(all.grid.state).learned?.classes).toEqual([]);
    all.end(all.submit(), 10_000);
    expect(saveSnapshot(all.grid.state).learned?.classes).toHaveLength(1);
  });

  it('goes to what a worker says its places are, which is journaled once', () => {
    const grid = new CoreFixture();
    const hardware = {
      cpu: { model: 'Ryzen 9', cores: 16, threads: 32, cacheBytes: 0 },
      swapBytes: 0,
      system: '',
      disks: [],
      networks: [],
      engines: [],
    };
    grid.worker('w-1', { speed: 0.4999, hardware });
    grid.worker('w-1', { speed: 0.5001, hardware });
    // That all its four threads together are faster than each alone is not believed.
    const calibration = { at: 1, cpuSingle: 0.5, cpuMulti: 9 };
    grid.worker('w-1', { speed: 0.5, hardware, calibration });
    const named = grid.groups.filter(([, [kind]]) => kind === decided.workerNamed);
    expect(named.map(([, decision]) => decision[4])).toEqual([
      [['w-1', 'Ryzen 9', 0.5]],
      [['w-1', 'Ryzen 9', 0.5, 2]],
    ]);
    expect(grid.restart(true).state.learned.runs.isDescribed('w-1', 'Ryzen 9', 0.5, 2)).toBe(true);
  });
});

describe('a task of which something is known', () => {
  it('goes where it ends first, and says what is expected', () => {
    const taught = new Taught();
    const task = taught.submit();
    expect(task.lease?.worker).toBe('w-fast');
    const { decision, expected: foreseen, weights, workers } = explainDocument(taught.grid.state, task, 0);
    expect(decision).toMatch(/expected to end in (9|1\d) s$/);
    expect(foreseen?.takesMs).toBeGreaterThan(8000);
    expect(Object.values(weights ?? {}).reduce((sum, weight) => sum + weight, 0)).toBeCloseTo(1);
    for (const { scores = {}, total } of workers) {
      const sum = Object.entries(scores).reduce(
        (all, [term, score]) => all + score * (weights?.[term] ?? 0),
        0,
      );
      expect(total).toBeCloseTo(sum);
    }
    taught.end(task, 11_000);
    expect(explainDocument(taught.grid.state, task, 0).ranMs).toBe(11_000);
    const foretoldThen = { expected: foreseen, ranMs: 11_000 };
    for (const through of [false, true]) {
      const { state } = taught.grid.restart(through);
      const ended = state.ended.get(task.id) as Task;
      expect(explainDocument(state, ended, 0)).toMatchObject(foretoldThen);
      expect(withoutScores(taskDocument(state, ended))).toMatchObject(foretoldThen);
    }
  });

  it('waits by choice for a worker that ends it sooner, tells so, and goes there when it is free', () => {
    const taught = new Taught();
    const first = taught.submit();
    const second = taught.submit();
    expect([first.phase, second.phase]).toEqual(['leased', 'waiting']);
    const { decision, expected: foreseen, workers } = explainDocument(taught.grid.state, second, 0);
    expect(decision).toMatch(
      /^waits by choice for w-fast: there it is expected to start in .* and to end in .*, on what is free now in 1 m/,
    );
    expect(foreseen).toMatchObject({ worker: 'w-fast' });
    expect(workers.map(({ feasible }) => feasible)).toEqual([false, true]);
    taught.grid.pass(12_000, [taught.fast, taught.slow]);
    taught.end(first, 0);
    expect(second.lease?.worker).toBe('w-fast');
    const start = errorsOf(taught.grid, 'w-fast')?.start;
    expect(start?.seen).toBe(1);
    // About ten seconds were foretold.
    expect(start?.factor).toBeCloseTo(1.2, 1);
    for (const through of [false, true])
      expect(errorsOf(taught.grid.restart(through), 'w-fast')).toEqual(errorsOf(taught.grid, 'w-fast'));
  });

  it.each([
    ['lets one go first that takes less and came a little later', 20_000, 'other'],
    ['is not overtaken by what came long after it', 660_000, 'train'],
  ])('%s', (_, laterMs, next) => {
    const taught = new Taught();
    const running = taught.submit();
    taught.submit({ constraints: { worker: 'w-slow', labels: {} } });
    const waiting = [taught.submit({ constraints: { worker: 'w-fast', labels: {} } })];
    const { turn } = explainDocument(taught.grid.state, waiting[0] as Task, 0);
    expect(turn?.yieldsMs).toBeGreaterThan(40_000);
    taught.grid.wall += laterMs;
    waiting.push(taught.submit({ taskClass: 'other', constraints: { worker: 'w-fast', labels: {} } }));
    taught.end(running, 10_000);
    const placed = waiting.filter(({ phase }) => phase === 'leased');
    expect(placed.map(({ spec }) => spec.envelope.taskClass)).toEqual([next]);
  });

  it('uses the slow worker too when the line for the fast one is long', () => {
    const taught = new Taught();
    const tasks = Array.from({ length: 8 }, () => taught.submit());
    expect(tasks.map(({ lease }) => lease?.worker)).toEqual(
      expect.arrayContaining(['w-fast' as WorkerId, 'w-slow' as WorkerId]),
    );
    expect(tasks.filter(({ phase }) => phase === 'waiting')).toHaveLength(6);
  });

  it('goes at last where it can, when what it waits for does not end', () => {
    const taught = new Taught();
    taught.submit();
    const second = taught.submit();
    expect(second.phase).toBe('waiting');
    const { grid } = taught;
    for (let ticks = 0; second.phase === 'waiting' && ticks < 2000; ticks += 1) {
      grid.mono += 500;
      for (const session of [taught.fast, taught.slow])
        grid.say(session, {
          kind: 'heartbeat',
          seq: ticks + 1,
          attempts: [[1 as TaskId, 1 as AttemptNo]],
        } as never);
      grid.step({ kind: 'tick' });
    }
    expect(second.lease?.worker).toBe('w-slow');
  });
});

describe('what a task waits for before it runs', () => {
  const GiB = 1024 ** 3;
  const digest = (no: number) => `sha256:${String(no).padStart(64, '0')}`;
  const fetchMs = ({ state }: CoreFixture, envelope: Partial<Envelope>, worker: string): number => {
    const view = state.workers.get(worker as WorkerId)?.view;
    if (view === undefined) throw new Error(`no ${worker}`);
    return state.learned.fetchMs(foretold({ ...envelopeDefaults, kind: 'container', ...envelope }), view);
  };
  /** Placed on a worker, and started so many ms later. */
  function started(grid: CoreFixture, seq: number, over: Partial<Envelope>, afterMs: number): void {
    grid.submit(grid.client(), seq, { kind: 'container', ...over });
    const task = grid.task(seq) as Task;
    const session = grid.state.workers.get(task.lease?.worker as WorkerId)?.session as SessionId;
    grid.wall += afterMs;
    grid.say(session, { kind: 'started', task: task.id, attempt: task.attempt, epoch: grid.state.epoch });
  }

  it('is learned of images that were not there, by those alone', () => {
    const grid = new CoreFixture();
    grid.worker('w-1', { images: ['there:1'] });
    started(grid, 1, { image: 'there:1' }, 500);
    expect(fetchMs(grid, { image: 'big:1' }, 'w-1')).toBe(20_000);
    started(grid, 2, { image: 'big:1' }, 90_000);
    expect(fetchMs(grid, { image: 'big:1' }, 'w-1') / 90_000).toBeCloseTo(1, 0);
    expect(fetchMs(grid, { image: 'there:1' }, 'w-1')).toBe(0);
  });

  it('is expected to take longer where the disk writes slower than a network brings, until it was seen', () => {
    const grid = new CoreFixture();
    const calibration = (diskWriteBytesPerS: number) => ({ calibration: { at: 1, diskWriteBytesPerS } });
    grid.worker('w-card', calibration(GiB / 40));
    grid.worker('w-disk', calibration(GiB));
    grid.worker('w-lies', calibration(1));
    const inputs = { inputs: [{ digest: digest(9), bytes: GiB }] };
    const both = (over: Partial<Envelope>) =>
      ['w-card', 'w-disk', 'w-lies'].map((id) => fetchMs(grid, over, id));
    expect(both({ image: 'big:1' })).toEqual([80_000, 20_000, 320_000]);
    expect(both(inputs)).toEqual([40_000, 10_000, 160_000]);
    started(grid, 1, { image: 'big:1', constraints: { worker: 'w-disk', labels: {} } }, 50_000);
    const [card = 0, disk = 0] = both({ image: 'big:1' });
    expect(disk / 50_000).toBeCloseTo(1, 0);
    expect(card / disk).toBeCloseTo(4, 0);
  });

  it('is known after a restart, and how far off it was', () => {
    const grid = new CoreFixture();
    const session = grid.worker('w-1');
    const pulled = { image: 'big:1', taskClass: 'big' };
    started(grid, 1, { image: 'big:1' }, 90_000);
    grid.pass(1000, [session]);
    const before = fetchMs(grid, pulled, 'w-1');
    expect(before).toBeGreaterThan(60_000);
    for (const through of [false, true]) {
      const next = grid.restart(through);
      next.worker('w-1');
      expect(fetchMs(next, pulled, 'w-1')).toBe(before);
      // A minute is written at most, of each image and of all.
      const lessons = grid.groups.filter(
        ([, [kind, , , , taught]]) => kind === decided.keysForgotten && taught,
      );
      expect(lessons).toHaveLength(1);
    }
  });

  it('is foretold with the run, and its error is kept', () => {
    const taught = new Taught();
    const task = taught.submit({
      image: 'big:1',
      kind: 'container',
      constraints: { worker: 'w-fast', labels: {} },
    });
    const { expected: foreseen } = explainDocument(taught.grid.state, task, 0);
    expect(foreseen).toMatchObject({ fetchMs: 20_000 });
    taught.grid.wall += 40_000;
    const { id, attempt } = task;
    taught.grid.say(taught.fast, { kind: 'started', task: id, attempt, epoch: taught.grid.state.epoch });
    taught.end(task, 10_000);
    expect(explainDocument(taught.grid.state, task, 0)).toMatchObject({ fetchedMs: 40_000, ranMs: 10_000 });
    for (const grid of [taught.grid, taught.grid.restart(), taught.grid.restart(true)])
      expect(errorsOf(grid, 'w-fast')?.fetch).toMatchObject({ seen: 1, factor: expect.closeTo(2) });
  });

  it('is learned of inputs by their bytes; a worker that has them waits for none', () => {
    const grid = new CoreFixture();
    grid.worker('w-1');
    const inputs = (no: number, bytes: number) => ({ inputs: [{ digest: digest(no), bytes }] });
    expect(fetchMs(grid, inputs(9, GiB), 'w-1')).toBe(10_000);
    started(grid, 1, inputs(1, 2 * GiB), 80_000);
    expect(fetchMs(grid, inputs(1, 2 * GiB), 'w-1')).toBe(0);
    expect(fetchMs(grid, inputs(2, GiB), 'w-1') / 40_000).toBeGreaterThan(0.8);
    expect(fetchMs(grid, inputs(2, GiB), 'w-1') / 40_000).toBeLessThan(1.6);
    // What takes no time tells nothing of the rate.
    const before = fetchMs(grid, inputs(2, GiB), 'w-1');
    started(grid, 2, inputs(3, 1024), 3000);
    expect(fetchMs(grid, inputs(2, GiB), 'w-1')).toBe(before);
  });
});
