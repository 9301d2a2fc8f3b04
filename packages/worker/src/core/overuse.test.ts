import type { DeviceShare, DeviceUuid } from '@gryphgen/protocol';
import { beforeEach, describe, expect, it } from 'vitest';
import type { SeenDevice } from './device-claims.ts';
import type { WorkerEffect } from './effects.ts';
import type { Fence } from './fence.ts';
import { keyOf } from './fence.ts';
import { overuseTroubles } from './overuse.ts';
import { fence, results, stopped, stops, success, WorkerUnderTest } from './worker-core.fixture.ts';

const GiB = 1024 ** 3;
const uuid = 'GPU-3060' as DeviceUuid;
const [big, small, third] = [fence(1), fence(2), fence(3)];
let worker: WorkerUnderTest;

beforeEach(() => {
  worker = new WorkerUnderTest();
  worker.open();
});

function hold(of: Fence, gib: number, over: Partial<DeviceShare> = {}): void {
  worker.hear(worker.leaseOf(of, { devices: [{ uuid, vramBytes: gib * GiB, whole: false, ...over }] }));
  worker.step({ kind: 'started', fence: of });
}

function device(freeGiB: number, gib: readonly (readonly [Fence, number])[]): SeenDevice {
  const usedBy = new Map(gib.map(([of, amount]) => [keyOf(of), amount * GiB]));
  return { uuid, name: 'RTX 3060', freeBytes: freeGiB * GiB, usedBy };
}

/** A look, 5 s after the last. */
function see(freeGiB: number, ...gib: (readonly [Fence, number])[]): WorkerEffect[] {
  worker.live(5000);
  return worker.step({ kind: 'devicesSeen', devices: [device(freeGiB, gib)] });
}

const told = (effects: readonly WorkerEffect[]) => effects.filter(({ kind }) => kind === 'remark');

describe('an attempt that holds more than was reserved for it', () => {
  it('is told of once, and in the report for as long as it lasts', () => {
    hold(big, 2);
    const effects = see(8, [big, 3]);
    const words = 'holds 3 GiB of RTX 3060 (GPU-3060), 2 GiB reserved for it';
    expect(effects).toEqual([
      { kind: 'note', note: { kind: 'overuse', fence: big, words } },
      {
        kind: 'remark',
        fence: big,
        words:
          'this task held 3 GiB of RTX 3060 (GPU-3060), 2 GiB reserved for it; such a task is ended when another lacks what was reserved for that one',
      },
    ]);
    expect(see(7, [big, 4])).toEqual([]);
    expect(overuseTroubles(worker.state)).toEqual([`t1.1 ${words}`]);
    expect(see(10, [big, 1])).toEqual([]);
    expect(overuseTroubles(worker.state)).toEqual([]);
    expect(told(see(8, [big, 3]))).toEqual([]);
    expect(overuseTroubles(worker.state)).toHaveLength(1);
  });

  it('is never ended while all can have what is theirs', () => {
    hold(big, 2);
    hold(small, 4);
    for (const _ of [1, 2, 3]) expect(stops(see(4, [big, 6], [small, 1]))).toEqual([]);
  });

  it('is ended at the second look that sees a neighbour endangered, and its result says why', () => {
    hold(big, 5);
    hold(small, 5);
    expect(stops(see(3, [big, 8]))).toEqual([]);
    expect(stops(see(3, [big, 8]))).toEqual([{ kind: 'stop', fence: big, graceMs: 10_000, why: 'overuse' }]);
    expect(stops(see(3, [big, 8]))).toEqual([]);
    const [result] = results(worker.exit(big, stopped));
    expect(result?.failure).toEqual({
      code: 'execution.oom',
      message:
        'ended because it held 8 GiB of RTX 3060 (GPU-3060), 5 GiB reserved for it, while t2.1 beside it could still take 5 GiB of the 5 GiB reserved for it and 3 GiB were free',
    });
    expect(worker.phase(small)).toBe('running');
  });

  it('that ends by itself meanwhile has succeeded', () => {
    hold(big, 5);
    hold(small, 5);
    see(3, [big, 8]);
    see(3, [big, 8]);
    expect(results(worker.exit(big))).toMatchObject([{ failure: null }]);
  });
});

describe('what an attempt held of its devices', () => {
  it('is told with its result, beside what its executor saw: the most of all looks', () => {
    hold(big, 5);
    see(3, [big, 4]);
    see(3, [big, 2]);
    const [result] = results(worker.exit(big, { ...success, usage: { cpuMs: 7 } }));
    expect(result?.usage).toEqual({ cpuMs: 7, peakVramBytes: 4 * GiB });
  });

  it('is not told when no look could tell', () => {
    hold(big, 5);
    worker.step({ kind: 'devicesSeen', devices: [{ ...device(3, []), usedBy: undefined }] });
    const [result] = results(worker.exit(big));
    expect(result).not.toHaveProperty('usage');
  });
});

describe('nothing is ended', () => {
  beforeEach(() => {
    hold(big, 5);
    hold(small, 5);
    see(3, [big, 8]);
  });

  it('by two looks of one moment', () => {
    worker.mono += 100;
    expect(stops(worker.step({ kind: 'devicesSeen', devices: [device(3, [[big, 8]])] }))).toEqual([]);
    expect(stops(see(3, [big, 8]))).toHaveLength(1);
  });

  it('when a look between the two saw no danger, failed, or could not tell', () => {
    const { usedBy: _, ...rest } = device(3, []);
    const looks: readonly (readonly SeenDevice[])[] = [
      [device(6, [[big, 6]])],
      [],
      [{ ...rest, usedBy: undefined }],
    ];
    for (const between of looks) {
      worker.live(5000);
      expect(stops(worker.step({ kind: 'devicesSeen', devices: between }))).toEqual([]);
      expect(stops(see(3, [big, 8]))).toEqual([]);
    }
    expect(stops(see(3, [big, 8]))).toHaveLength(1);
  });

  it('that was within its part at one of the two looks', () => {
    // Another program has taken the rest.
    expect(stops(see(0, [big, 5], [small, 1]))).toEqual([]);
    expect(stops(see(0, [big, 8], [small, 1]))).toEqual([]);
  });

  it('in the place of one that has just become the worst', () => {
    hold(third, 1);
    expect(stops(see(0, [big, 6], [third, 4]))).toEqual([]);
    expect(stops(see(0, [big, 6], [third, 4]))).toMatchObject([{ fence: third }]);
  });

  it('beside one that is being ended already', () => {
    hold(third, 1);
    expect(stops(see(0, [big, 8], [third, 3]))).toMatchObject([{ fence: big }]);
    expect(stops(see(0, [big, 8], [third, 3]))).toEqual([]);
    expect(stops(see(0, [big, 8], [third, 3]))).toEqual([]);
    worker.exit(big, stopped);
    // What it held has come back, and is not enough.
    see(2, [third, 9]);
    expect(stops(see(2, [third, 9]))).toMatchObject([{ fence: third }]);
  });
});

it('is the one most above its own reservation that ends, not the one that holds most', () => {
  hold(big, 7);
  hold(small, 1);
  hold(third, 3);
  see(0.5, [big, 7.5], [small, 3]);
  expect(stops(see(0.5, [big, 7.5], [small, 3]))).toMatchObject([{ fence: small }]);
});

it('ends an attempt that uses a device which another holds whole', () => {
  hold(big, 12, { whole: true });
  worker.run(small);
  see(1, [big, 10], [small, 1]);
  expect(stops(see(1, [big, 10], [small, 1]))).toMatchObject([{ fence: small }]);
});
