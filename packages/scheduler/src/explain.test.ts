import { describe, expect, it } from 'vitest';
import { explain } from './explain.ts';
import { reserve } from './ledger.ts';
import { place } from './place.ts';
import { defaultPolicy } from './placement-policy.ts';
import { forge, GiB, part, shape, worker } from './reference-grid.fixture.ts';
import type { Shape } from './shape.ts';

describe('explain', () => {
  it('says where and with which score', () => {
    const { decision, workers } = explain(shape(part(7 * GiB)), [forge(), worker('w-a')]);
    expect(decision).toMatch(/^placed on forge \(NVIDIA GeForce RTX 3060\), total 0\.\d{3}$/);
    expect(workers.map(({ name }) => name)).toEqual(['w-a', 'forge']);
    expect(workers[0]).toEqual({ worker: 'w-a', name: 'w-a', feasible: false, reasons: ['has no device'] });
    expect(Object.keys(workers[1]?.scores ?? {})).toEqual(Object.keys(defaultPolicy.weights));
  });

  it('says why the second 7 GiB wait', () => {
    const machine = forge();
    const placement = place(shape(part(7 * GiB)), [machine]);
    if (placement.kind === 'placed') reserve(machine.ledger, placement.reservation);
    expect(explain(shape(part(7 * GiB)), [machine])).toEqual({
      decision: 'waiting: 1 of 1 workers may take it later',
      workers: [
        {
          worker: 'w-forge',
          name: 'forge',
          feasible: false,
          reasons: [
            'NVIDIA GeForce RTX 3060 has 5 GiB free of 12 GiB (1 attempt holding 7 GiB), 7 GiB asked: 2 GiB short',
            'NVIDIA GeForce GTX 1060 6GB has 6064 MiB, 7 GiB asked: 1104 MiB short',
          ],
        },
      ],
      nearest: {
        worker: 'w-forge',
        name: 'forge',
        reasons: expect.arrayContaining([expect.stringContaining('2 GiB short')]),
      },
    });
  });

  it('names what presses, and only where it stops the task', () => {
    const low = {
      name: 'low disk',
      forMs: 180_000,
      words: '1.2 GiB free of 100 GiB, takes new work above 2 GiB',
      stops: ['container'],
    };
    const hot = {
      name: 'hot',
      forMs: 5000,
      words: '92 C, slows down at 93 C, takes new work at 83 C or less',
    };
    const [big, small] = forge().report?.devices ?? [];
    if (big === undefined || small === undefined) throw new Error('forge has two cards');
    const machine = forge({ pressures: [low], devices: [{ ...big, pressure: hot }, small] });
    const reasonsOf = (what: Shape) => explain(what, [machine]).workers[0]?.reasons;
    expect(reasonsOf(shape())).toEqual([
      'low disk since 3 m 0 s: 1.2 GiB free of 100 GiB, takes new work above 2 GiB',
    ]);
    expect(reasonsOf(shape(part(7 * GiB), { kind: 'process' }))).toEqual([
      'NVIDIA GeForce RTX 3060 is hot since 5 s: 92 C, slows down at 93 C, takes new work at 83 C or less',
      'NVIDIA GeForce GTX 1060 6GB has 6064 MiB, 7 GiB asked: 1104 MiB short',
    ]);
    // The other card takes what it can.
    expect(explain(shape(part(GiB), { kind: 'process' }), [machine]).decision).toMatch(
      /^placed on forge \(.*1060/,
    );
  });

  it('gives every reason, not only the first', () => {
    const machine = { ...worker('w-a'), connected: false, draining: true, drainUntil: 1_700_000_000_000 };
    expect(explain(shape(undefined, { cpuMilli: 5000 }), [machine]).workers[0]?.reasons).toEqual([
      'is not connected',
      'is draining until 2023-11-14T22:13:20Z, 0 running: it takes nothing new before it is resumed',
      'CPU: 5 asked, it has 4: 1 short',
    ]);
  });

  it('knows workers that have not reported, and grids without workers', () => {
    const silent = { ...worker('w-a'), report: null, connected: false };
    expect(explain(shape(), [silent])).toEqual({
      decision: 'waiting: 1 of 1 workers may take it later',
      workers: [
        {
          worker: 'w-a',
          name: 'w-a',
          feasible: false,
          reasons: ['has not reported since the broker started'],
        },
      ],
    });
    expect(explain(shape(), []).decision).toBe('waiting: no worker is known');
  });

  it('repeats the refusal', () => {
    expect(explain(shape(undefined, { cpuMilli: 5000 }), [worker('w-a')]).decision).toBe(
      'impossible: the only worker, w-a, could not take it even when empty: CPU: 5 asked, it has 4: 1 short',
    );
  });
});
