import type { AttemptNo, Envelope, Resources, SessionId, TaskId, Usage } from '@gryphgen/protocol';
import { expect, test } from 'vitest';
import { CoreFixture } from '../core.fixture.ts';
import { nodeDocument } from '../documents.ts';
import { explainDocument } from '../placing/explaining.ts';

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

  ask(resources: Resources, retries: Envelope['retries'] = { limit: 0, backoffMs: 0 }): number {
    this.seq += 1;
    this.submit(this.me, this.seq, { resources, taskClass: 'train', retries });
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
  const asked = { ...small, memoryBytes: 8 * GiB };
  const large = grid.worker('w-1', { memoryBytes: 64 * GiB });
  for (let count = 0; count < 6; count += 1) grid.run(large, asked, { peakMemoryBytes: 30 * GiB });
  grid.worker('w-2');
  const [, , waits] = [grid.ask(asked), grid.ask(asked), grid.ask(asked)];
  expect(grid.task(waits)?.phase).toBe('waiting');
  grid.say(grid.me, { kind: 'request', id: 1, op: 'drain', args: { node: 'w-1', draining: true } });
  expect(grid.task(waits)?.lease).toMatchObject({ worker: 'w-2', reservation: { memoryBytes: 8 * GiB } });
  expect(grid.decisionOn(waits)).toMatch(/was seen to need .*which no machine that takes tasks has/);
});

test('what one worker alone tells keeps no task from the others', () => {
  const grid = new Grid();
  const liar = grid.worker('w-liar', { memoryBytes: 4096 * GiB });
  for (let count = 0; count < 9; count += 1) grid.run(liar, small, { peakMemoryBytes: 1000 * GiB });
  expect(grid.reservedOn(grid.ask(small))?.memoryBytes).toBeGreaterThan(900 * GiB);
  const other = grid.worker('w-other', { memoryBytes: 64 * GiB });
  const id = grid.ask(small);
  expect(grid.reservedOn(id)?.memoryBytes).toBe(4 * GiB);
  for (let count = 0; count < 9; count += 1) grid.run(other, small, { peakMemoryBytes: GiB / 2 });
  expect(grid.reservedOn(grid.ask(small))?.memoryBytes).toBeLessThanOrEqual(1.1 * GiB);
});

/** As it is told of one that was ended at its limit. */
function lacked(grid: Grid, worker: SessionId, resources: Resources, usage: Usage): number {
  const id = grid.ask(resources, { limit: 1, backoffMs: 0 });
  const fence = { task: id as TaskId, attempt: 1 as AttemptNo, epoch: grid.state.epoch };
  const failure = { code: 'execution.oom', message: 'the kernel killed it at its memory limit' } as const;
  const result = { exitCode: 137, failure, ranMs: 1000, outcome: new Uint8Array(0), usage };
  grid.say(worker, { kind: 'result', ...fence, ...result });
  return id;
}

test('a try after one that was ended for want of memory is given more, where none was asked for', () => {
  const grid = new Grid();
  const worker = grid.worker('w-1');
  const id = lacked(grid, worker, { ...small, memoryBytes: 0 }, { peakMemoryBytes: 2 * GiB });
  expect(grid.task(id)).toMatchObject({ attempt: 2, lease: { reservation: { memoryBytes: 3 * GiB } } });
  for (const throughSnapshot of [false, true])
    expect(grid.restart(throughSnapshot).task(id)?.lease?.reservation.memoryBytes).toBe(3 * GiB);
});

test('so is one that held more of a device than its part', () => {
  const grid = new Grid();
  const worker = grid.worker('w-1', { devices: [card] });
  const gpu = { kind: 'part', vramBytes: 2 * GiB } as const;
  const id = lacked(grid, worker, { ...small, gpu }, { peakVramBytes: 4 * GiB, peakMemoryBytes: 1 });
  expect(grid.task(id)?.lease?.reservation.devices).toMatchObject([{ vramBytes: 6 * GiB }]);
});

test('where memory was asked for, that is the limit: explain says what the class seems to need', () => {
  const grid = new Grid();
  const worker = grid.worker('w-1');
  lacked(grid, worker, small, { peakMemoryBytes: GiB });
  const id = grid.ask({ ...small, cpuMilli: 3950 });
  expect(grid.task(id)?.phase).toBe('waiting');
  expect(grid.decisionOn(id)).toContain(
    'runs of its class were ended for want of memory and seem to need 1536 MiB, while it may hold 1 GiB: submit it with --memory 1536MiB',
  );
  expect(grid.reservedOn(1)?.memoryBytes).toBe(GiB);
});

test('a class that suddenly needs ten times the memory is charged so after four runs, and the machine says how far off it was', () => {
  const grid = new Grid();
  const worker = grid.worker('w-1', { memoryBytes: 64 * GiB });
  for (let count = 0; count < 40; count += 1) grid.run(worker, small, { peakMemoryBytes: GiB });
  const offBy = () =>
    nodeDocument(grid.state, grid.state.workers.get('w-1' as never) as never).predictions?.[0]?.memory
      ?.factor;
  const charges: number[] = [];
  for (let count = 0; count < 40; count += 1) {
    const id = grid.run(worker, small, { peakMemoryBytes: 10 * GiB });
    charges.push((grid.task(id)?.outcome?.reservation?.memoryBytes ?? 0) / GiB);
    if (count === 3) expect(offBy()).toBeGreaterThan(1.4);
  }
  expect(charges[0]).toBeLessThan(2);
  expect(charges[3]).toBeLessThan(2);
  expect(Math.min(...charges.slice(4))).toBeGreaterThan(9);
  expect(Math.max(...charges)).toBeLessThan(40);
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
