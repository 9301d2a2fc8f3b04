import { describe, expect, it } from 'vitest';
import { Estimator } from './estimator.ts';

const GiB = 2 ** 30;

describe('what a class needs, by what workers tell', () => {
  const tell = (estimator: Estimator, worker: string, peakMemoryBytes: number, times = 20): void => {
    for (let run = 0; run < times; run += 1)
      estimator.observe({ taskClass: 'a', seat: worker, runMs: 10, peakMemoryBytes });
  };
  const needed = (estimator: Estimator) => (estimator.need('a', 'memory')?.p90Bytes ?? 0) / GiB;

  it('is not moved beyond twice what others saw by one that lies', () => {
    for (const honest of [1, 2, 5]) {
      const estimator = new Estimator();
      for (let round = 0; round < 40; round += 1) {
        for (let each = 0; each < honest; each += 1) tell(estimator, `w${each}`, GiB, 1);
        tell(estimator, 'liar', 4096 * GiB, 3);
      }
      expect(needed(estimator)).toBeGreaterThanOrEqual(1);
      expect(needed(estimator)).toBeLessThan(2.01);
    }
  });

  it('nor by one that says that its runs were ended for want of it', () => {
    const estimator = new Estimator();
    for (const worker of ['w1', 'w2']) tell(estimator, worker, GiB);
    for (let time = 0; time < 9; time += 1) estimator.observeLack('a', 'memory', 'liar', 4096 * GiB);
    expect((estimator.need('a', 'memory')?.lackBytes ?? 0) / GiB).toBeLessThan(2.01);
  });

  it('names the worker where one alone told', () => {
    const estimator = new Estimator();
    tell(estimator, 'w1', GiB);
    expect(estimator.need('a', 'memory')?.teller).toBe('w1');
    tell(estimator, 'w2', GiB, 1);
    expect(estimator.need('a', 'memory')?.teller).toBeUndefined();
  });

  it('is what all saw where it has grown everywhere', () => {
    const estimator = new Estimator();
    for (const bytes of [GiB, 10 * GiB])
      for (let round = 0; round < 60; round += 1)
        for (const worker of ['w1', 'w2', 'w3']) tell(estimator, worker, bytes, 1);
    expect(needed(estimator)).toBeGreaterThan(9);
  });

  it('is moved by little by wild runs, and known anew after four in a row', () => {
    const estimator = new Estimator();
    tell(estimator, 'w1', GiB, 40);
    for (let time = 0; time < 5; time += 1) {
      tell(estimator, 'w1', 100 * GiB, 3);
      tell(estimator, 'w1', GiB, 1);
      expect(needed(estimator)).toBeLessThan(3);
    }
    tell(estimator, 'w1', 100 * GiB, 4);
    expect(needed(estimator)).toBeGreaterThan(90);
    tell(estimator, 'w1', GiB, 4);
    expect(estimator.need('a', 'memory')?.p50Bytes).toBeLessThan(3 * GiB);
  });

  it('is more than was not enough, until less is enough again', () => {
    const estimator = new Estimator();
    const lacking = () => (estimator.need('a', 'memory')?.lackBytes ?? 0) / GiB;
    estimator.observeLack('a', 'memory', 'w1', 2 * GiB);
    expect(lacking()).toBeCloseTo(3);
    expect(estimator.need('a', 'memory')).toMatchObject({ seen: 0, p90Bytes: 0 });
    estimator.observeLack('a', 'memory', 'w1', 2 * GiB);
    expect(lacking()).toBeCloseTo(3);
    const restored = new Estimator();
    restored.load(structuredClone(estimator.save()));
    expect(restored.need('a', 'memory')).toEqual(estimator.need('a', 'memory'));
    tell(estimator, 'w1', GiB, 1);
    expect(lacking()).toBeGreaterThan(2);
    tell(estimator, 'w1', GiB);
    expect(lacking()).toBe(0);
  });
});
