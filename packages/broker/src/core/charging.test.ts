import type { AttemptNo, Resources, SessionId, TaskId, Usage } from '@gryphgen/protocol';
import { expect, test } from 'vitest';
import { CoreFixture } from './core.fixture.ts';
import { nodeDocument } from './documents.ts';
import { explainDocument } from './explaining.ts';

const GiB = 1024 ** 3;
const card = {
  uuid: 'GPU-1' as never,
  index: 0,
  name: 'RTX 3060',
  vramBytes: 12 * GiB,
  computeCapability: 86,
  driver: '1',
  foreignBytes: 0,
};

class Grid extends CoreFixture {
  readonly me: SessionId = this.client();
  private seq = 0;

  /** Submits, and says how long it ran and what it used; returns its id. */
  run(worker: SessionId, resources: Resources, usage: Usage): number {
    const id = this.ask(resources);
    const fence = { task: id as TaskId, attempt: 1 as AttemptNo, epoch: this.state.epoch };
    this.say(worker, { kind: 'started', ...fence });
    this.wall += 1000;
    this.mono += 1000;
    const result = { exitCode: 0, failure: null, ranMs: 1000, outcome: new Uint8Array(0), usage };
    this.say(worker, { kind: 'result', ...fence, ...result });
    return id;
  }

  ask(resources: Resources): number {
    this.seq += 1;
    this.submit(this.me, this.seq, { resources, taskClass: 'train' });
    return this.seq;
  }

  decisionOn(id: number): string {
    return explainDocument(this.state, this.task(id) as never, this.wall).decision;
  }

  reservedOn(id: number) {
    return this.task(id)?.lease?.reservation;
  }
}

const small = { cpuMilli: 100, memoryBytes: GiB, diskBytes: 0 };

function taught(usage: Usage, resources: Resources = small): { grid: Grid; worker: SessionId } {
  const grid = new Grid();
  const worker = grid.worker('w-1', { devices: [card] });
  for (let count = 0; count < 6; count += 1) grid.run(worker, resources, usage);
  return { grid, worker };
}

test('a task is charged what its class was seen to need; a restart holds the same', () => {
  const { grid } = taught({ peakMemoryBytes: 3 * GiB });
  const id = grid.ask(small);
  const charged = grid.reservedOn(id)?.memoryBytes ?? 0;
  expect(charged).toBeGreaterThanOrEqual(3 * GiB);
  expect(charged).toBeLessThan(5 * GiB);
  expect(grid.state.workers.get('w-1' as never)?.view.ledger.memoryBytes).toBe(charged);
  expect(grid.decisionOn(id)).toMatch(/; charged .* memory \(1 GiB asked\), as its class was seen to need/);
  for (const throughSnapshot of [false, true]) {
    const next = grid.restart(throughSnapshot);
    expect(next.task(id)?.lease?.reservation).toEqual(grid.reservedOn(id));
    expect(next.state.workers.get('w-1' as never)?.view.ledger.memoryBytes).toBe(charged);
  }
});

test('so is a part of a device; the worker is told as much', () => {
  const gpu = { kind: 'part', vramBytes: 2 * GiB } as const;
  const { grid } = taught({ peakVramBytes: 5 * GiB }, { ...small, gpu });
  const [share] = grid.reservedOn(grid.ask({ ...small, gpu }))?.devices ?? [];
  expect(share?.vramBytes).toBeGreaterThanOrEqual(5 * GiB);
});

test('what asks for more than its class needs is charged what it asks for', () => {
  const { grid } = taught({ peakMemoryBytes: GiB / 2 });
  expect(grid.reservedOn(grid.ask(small))?.memoryBytes).toBe(GiB);
});

test('one that fits by what was learned only when others have ended waits for that, and explain says what is charged', () => {
  const { grid, worker } = taught({ peakMemoryBytes: 6 * GiB });
  const [first, second] = [grid.ask(small), grid.ask(small)];
  expect(grid.reservedOn(first)?.memoryBytes).toBeGreaterThanOrEqual(6 * GiB);
  expect(grid.task(second)?.phase).toBe('waiting');
  expect(grid.decisionOn(second)).toMatch(/^waiting: .*; charged .* \(1 GiB asked\)/);
  grid.result(worker, first);
  expect(grid.task(second)?.phase).toBe('leased');
});

test('what others hold may stay for ever: beside it what was learned does not fit, so what is asked for counts', () => {
  const { grid, worker } = taught({ peakMemoryBytes: 6 * GiB });
  const { report } = grid.state.workers.get('w-1' as never)?.view ?? {};
  grid.say(worker, { kind: 'report', seq: 1, report: { ...report, foreignBytes: 4 * GiB } as never });
  expect(grid.reservedOn(grid.ask(small))?.memoryBytes).toBe(GiB);
});

test('one that waits for the only machine that has what it was seen to need does not wait when that is gone', () => {
  const grid = new Grid();
  const large = grid.worker('w-1', { memoryBytes: 64 * GiB });
  for (let count = 0; count < 6; count += 1) grid.run(large, small, { peakMemoryBytes: 30 * GiB });
  grid.worker('w-2');
  const [, , waits] = [grid.ask(small), grid.ask(small), grid.ask(small)];
  expect(grid.task(waits)?.phase).toBe('waiting');
  grid.say(grid.me, { kind: 'request', id: 1, op: 'drain', args: { node: 'w-1', draining: true } });
  expect(grid.task(waits)?.lease).toMatchObject({ worker: 'w-2', reservation: { memoryBytes: GiB } });
  expect(grid.decisionOn(waits)).toMatch(/was seen to need .*which no machine that takes tasks has/);
});

test('how far off was what was foretold is kept with the machine, over a restart', () => {
  const { grid } = taught({ peakMemoryBytes: 3 * GiB });
  const of = ({ state }: CoreFixture) =>
    nodeDocument(state, state.workers.get('w-1' as never) as never).predictions;
  expect(of(grid)).toEqual([
    {
      taskClass: 'train',
      run: { seen: 5, factor: expect.closeTo(1, 0), lean: expect.closeTo(1, 0) },
      memory: { seen: 5, factor: expect.closeTo(1, 0), lean: expect.closeTo(1, 0) },
    },
  ]);
  expect(of(grid.restart())).toEqual(of(grid));
  expect(of(grid.restart(true))).toEqual(of(grid));
});
