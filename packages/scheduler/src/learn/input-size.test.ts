import { describe, expect, it } from 'vitest';
import { SeededRandom } from '../seeded-random.ts';
import { Estimator } from './estimator.ts';

const seeds = [1, 2, 3];

/** A run of which the logarithm is spread by `sigma`, normally distributed (Box and Muller). */
function spreadRun(random: SeededRandom, ms: number, sigma: number): number {
  const normal = Math.sqrt(-2 * Math.log(1 - random.next())) * Math.cos(2 * Math.PI * random.next());
  return ms * Math.exp(sigma * normal);
}

describe('the size of the inputs', () => {
  const MiB = 2 ** 20;
  /** Of a class whose runs and memory grow with the power `grows` of the size. */
  const sized = (random: SeededRandom, grows: number, sigma: number, runs = 300): Estimator => {
    const estimator = new Estimator();
    for (let run = 0; run < runs; run += 1) {
      const factor = 2 ** random.int(0, 6);
      const amount = factor ** grows;
      estimator.observe({
        taskClass: 'a',
        seat: 'w1',
        runMs: spreadRun(random, 1000 * amount, sigma),
        inputBytes: factor * MiB,
        peakMemoryBytes: spreadRun(random, 64 * MiB * amount, sigma),
      });
    }
    return estimator;
  };
  const runOf = (estimator: Estimator, bytes: number) => estimator.run('a', 'w1', bytes)?.p50Ms ?? 0;
  const needFor = (estimator: Estimator, bytes: number) =>
    estimator.need('a', 'memory', bytes)?.p50Bytes ?? 0;

  it.each(seeds)(
    'tells how long a run takes and what it needs, where they grow with it (seed %i)',
    (seed) => {
      for (const grows of [0.5, 1]) {
        const estimator = sized(new SeededRandom(seed), grows, 0.2);
        for (const factor of [1, 8, 64]) {
          const wanted = factor ** grows;
          expect(runOf(estimator, factor * MiB) / 1000 / wanted).toBeGreaterThan(0.7);
          expect(runOf(estimator, factor * MiB) / 1000 / wanted).toBeLessThan(1.4);
          expect(needFor(estimator, factor * MiB) / 64 / MiB / wanted).toBeGreaterThan(0.7);
          expect(needFor(estimator, factor * MiB) / 64 / MiB / wanted).toBeLessThan(1.4);
        }
      }
    },
  );

  it.each(seeds)('says nothing where runs do not grow with it (seed %i)', (seed) => {
    const estimator = sized(new SeededRandom(seed), 0, 0.5);
    expect(runOf(estimator, 64 * MiB) / runOf(estimator, MiB)).toBeGreaterThan(0.6);
    expect(runOf(estimator, 64 * MiB) / runOf(estimator, MiB)).toBeLessThan(1.6);
  });

  it('is not believed far beyond what was seen', () => {
    const estimator = sized(new SeededRandom(1), 1, 0.1);
    expect(runOf(estimator, 2 ** 49)).toBe(runOf(estimator, 2 ** 45));
    expect(runOf(estimator, 2 ** 49) / 64_000).toBeLessThan(20);
  });

  it('moves nothing by one run that says otherwise', () => {
    const estimator = sized(new SeededRandom(2), 1, 0.1);
    const before = runOf(estimator, 8 * MiB);
    estimator.observe({ taskClass: 'a', seat: 'w1', runMs: 1, inputBytes: 2 ** 40, peakMemoryBytes: 1 });
    expect(runOf(estimator, 8 * MiB) / before).toBeGreaterThan(0.8);
  });

  it('is counted anew in what an earlier version saved', () => {
    const [name, n, level, spread, , pairs, memory, vram] =
      sized(new SeededRandom(3), 1, 0.1).save().classes[0] ?? [];
    const inputs = { n: 9, at: 14, variance: 1, first: 14, slope: 1 };
    const { level: of, spread: by } = memory ?? {};
    const old = [name, n, level, spread, inputs, pairs, { level: of, spread: by }, vram];
    const estimator = new Estimator();
    estimator.load({ classes: [old], absurd: 0, seats: [], models: [] } as never);
    expect(runOf(estimator, 8 * MiB)).toBe(runOf(estimator, 64 * MiB));
    expect(needFor(estimator, 8 * MiB)).toBeGreaterThan(0);
    estimator.observe({ taskClass: 'a', seat: 'w1', runMs: 1000, inputBytes: MiB, peakMemoryBytes: MiB });
    expect(estimator.run('a', 'w1')?.anywhere).toBe((n ?? 0) + 1);
  });
});
