import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { SeededRandom } from '../seeded-random.ts';
import { Estimator } from './estimator.ts';

const seeds = [1, 2, 3];

/** Normally distributed, by Box and Muller. */
function normal(random: SeededRandom): number {
  return Math.sqrt(-2 * Math.log(1 - random.next())) * Math.cos(2 * Math.PI * random.next());
}

/** A run of which the logarithm is spread by `sigma`. */
const spreadRun = (random: SeededRandom, ms: number, sigma: number): number =>
  ms * Math.exp(sigma * normal(random));

function taught(runs: readonly number[], taskClass = 'a', seat = 'w1'): Estimator {
  const estimator = new Estimator();
  for (const runMs of runs) estimator.observe({ taskClass, seat, runMs });
  return estimator;
}

describe('what a run is expected to take', () => {
  it('is unknown of a class of which nothing ran', () => {
    expect(taught([1000]).run('b', 'w1')).toBeUndefined();
    expect(taught([1000], 'a').run('a', 'w2')).toMatchObject({ here: 0, anywhere: 1 });
  });

  it.each(seeds)('nears the median, and nine of ten runs take less than p90 (seed %i)', (seed) => {
    const random = new SeededRandom(seed);
    for (const sigma of [0.1, 0.4, 1]) {
      const estimator = taught(Array.from({ length: 300 }, () => spreadRun(random, 5000, sigma)));
      let [below50, below90] = [0, 0];
      const checks = 2000;
      for (let check = 0; check < checks; check += 1) {
        const runMs = spreadRun(random, 5000, sigma);
        const { p50Ms, p90Ms } = estimator.run('a', 'w1') ?? { p50Ms: 0, p90Ms: 0 };
        if (runMs < p50Ms) below50 += 1;
        if (runMs < p90Ms) below90 += 1;
        estimator.observe({ taskClass: 'a', seat: 'w1', runMs });
      }
      expect(below50 / checks).toBeGreaterThan(0.45);
      expect(below50 / checks).toBeLessThan(0.55);
      expect(below90 / checks).toBeGreaterThan(0.86);
      expect(below90 / checks).toBeLessThan(0.94);
    }
  });

  it.each(seeds)('of a class on a seat where it never ran follows from both (seed %i)', (seed) => {
    const random = new SeededRandom(seed);
    const estimator = new Estimator();
    const slow = { w1: 1, w2: 3, w3: 0.5 };
    const seats = Object.keys(slow) as (keyof typeof slow)[];
    for (let run = 0; run < 240; run += 1) {
      const seat = seats[run % 3] as keyof typeof slow;
      const taskClass = ['a', 'b', 'c', 'd'][random.int(0, 3)] as string;
      if (taskClass === 'd' && seat === 'w2') continue;
      const ms = { a: 1000, b: 20_000, c: 300, d: 7000 }[taskClass] as number;
      estimator.observe({ taskClass, seat, runMs: spreadRun(random, ms * slow[seat], 0.2) });
    }
    const { p50Ms = 0, here } = estimator.run('d', 'w2') ?? {};
    expect(here).toBe(0);
    expect(p50Ms / 21_000).toBeGreaterThan(0.65);
    expect(p50Ms / 21_000).toBeLessThan(1.5);
  });

  it('of a seat where nothing ran follows from its model, and else from what was measured', () => {
    const estimator = new Estimator();
    for (const seat of ['g1', 'g2', 'g3']) estimator.describeSeat(seat, 'RTX 3060', 0);
    estimator.describeSeat('slow', '', 0.25);
    for (let run = 0; run < 40; run += 1) {
      estimator.observe({ taskClass: 'a', seat: 'plain', runMs: 1000 });
      estimator.observe({ taskClass: 'a', seat: ['g1', 'g2'][run % 2] as string, runMs: 200 });
    }
    expect((estimator.run('a', 'g3')?.p50Ms ?? 0) / 200).toBeCloseTo(1, 1);
    expect((estimator.run('a', 'slow')?.p50Ms ?? 0) / (estimator.run('a', 'new')?.p50Ms ?? 0)).toBeCloseTo(
      4,
      5,
    );
  });

  it.each(seeds)('grows with the inputs as it was seen to (seed %i)', (seed) => {
    const random = new SeededRandom(seed);
    const estimator = new Estimator();
    for (let run = 0; run < 300; run += 1) {
      const inputBytes = 2 ** random.between(20, 30);
      const runMs = spreadRun(random, inputBytes / 2 ** 14, 0.2);
      estimator.observe({ taskClass: 'a', seat: 'w1', runMs, inputBytes });
    }
    const small = estimator.run('a', 'w1', 2 ** 21)?.p50Ms ?? 0;
    const large = estimator.run('a', 'w1', 2 ** 29)?.p50Ms ?? 0;
    expect(Math.log2(large / small)).toBeGreaterThan(7);
    expect(Math.log2(large / small)).toBeLessThan(9);
  });

  it('is not moved by outliers, however wild', () => {
    const estimator = taught(Array.from({ length: 100 }, (_, run) => (run % 10 === 9 ? 5e7 : 1000 + run)));
    expect((estimator.run('a', 'w1')?.p50Ms ?? 0) / 1050).toBeGreaterThan(0.9);
    expect((estimator.run('a', 'w1')?.p50Ms ?? 0) / 1050).toBeLessThan(1.25);
  });
});

describe('what changes', () => {
  it.each(seeds)(
    'a worker that becomes four times as slow is known within 20 runs of many classes (seed %i)',
    (seed) => {
      const random = new SeededRandom(seed);
      for (const sigma of [0.1, 0.4, 0.6]) {
        const estimator = new Estimator();
        const classes = Array.from({ length: 12 }, (_, index) => `class ${index}`);
        const run = (seat: string, slow: number) => {
          const taskClass = random.pick(classes);
          estimator.observe({ taskClass, seat, runMs: spreadRun(random, 3000 * slow, sigma) });
        };
        for (let each = 0; each < 300; each += 1) for (const seat of ['w1', 'w2', 'w3']) run(seat, 1);
        expect(estimator.changesOf('w2')).toBe(0);
        for (let each = 0; each < 20; each += 1)
          for (const seat of ['w1', 'w2', 'w3']) run(seat, seat === 'w2' ? 4 : 1);
        expect(estimator.changesOf('w2')).toBe(1);
        expect(estimator.changesOf('w1') + estimator.changesOf('w3')).toBe(0);
        const ratios = classes.map((one) => (estimator.run(one, 'w2')?.p50Ms ?? 0) / 3000);
        for (const ratio of ratios) expect(ratio).toBeGreaterThan(2);
      }
    },
  );

  it.each(seeds)('hardly any change is seen where there is none (seed %i)', (seed) => {
    const random = new SeededRandom(seed);
    const estimator = new Estimator();
    for (let run = 0; run < 10_000; run += 1) {
      const [taskClass, seat] = [`class ${run % 7}`, `w${run % 2}`];
      estimator.observe({ taskClass, seat, runMs: spreadRun(random, 3000, 0.7) });
    }
    expect(estimator.changesOf('w0') + estimator.changesOf('w1')).toBeLessThan(10);
  });

  it('a class that changes is forgotten in 40 runs', () => {
    const runs = [...Array.from({ length: 5000 }, () => 1000), ...Array.from({ length: 40 }, () => 60_000)];
    expect(taught(runs).run('a', 'w1')?.p50Ms).toBeGreaterThan(45_000);
  });
});

describe('whatever is observed', () => {
  it('what cannot be is counted and changes nothing; what is too large is bounded', () => {
    const estimator = taught(Array.from({ length: 50 }, () => 1000));
    const before = estimator.run('a', 'w1');
    for (const runMs of [Number.NaN, -1, Number.NEGATIVE_INFINITY])
      estimator.observe({ taskClass: 'a', seat: 'w1', runMs });
    expect(estimator.run('a', 'w1')).toEqual(before);
    expect(estimator.absurd).toBe(3);
    estimator.observe({ taskClass: 'a', seat: 'w1', runMs: 1e300, peakMemoryBytes: 1e300, inputBytes: -5 });
    expect(estimator.absurd).toBe(6);
    expect(estimator.run('a', 'w1')?.p50Ms).toBeLessThan(1200);
    estimator.observe({ taskClass: 'a', seat: 'w1', runMs: 0 });
    expect(estimator.absurd).toBe(6);
  });

  it('estimates are numbers, in order, and the same from what was saved', () => {
    const value = fc.oneof(fc.double(), fc.nat(), fc.constantFrom(0, 1e18, Number.NaN, -1));
    const observation = fc.record({
      taskClass: fc.constantFrom('a', 'b'),
      seat: fc.constantFrom('w1', 'w2'),
      runMs: value,
      inputBytes: value,
      peakMemoryBytes: value,
      peakVramBytes: value,
    });
    fc.assert(
      fc.property(fc.array(observation, { maxLength: 60 }), fc.double(), (observations, speed) => {
        const estimator = new Estimator();
        estimator.describeSeat('w1', 'm', speed);
        estimator.describeSeat('w2', 'm', 1);
        for (const one of observations) estimator.observe(one);
        const restored = new Estimator();
        restored.load(JSON.parse(JSON.stringify(estimator.save())));
        expect(restored.save()).toEqual(JSON.parse(JSON.stringify(estimator.save())));
        for (const taskClass of ['a', 'b']) {
          for (const seat of ['w1', 'w2', 'w3']) {
            const run = estimator.run(taskClass, seat, 77);
            if (run === undefined) continue;
            expect(run.p50Ms).toBeGreaterThanOrEqual(1);
            expect(run.p90Ms).toBeGreaterThanOrEqual(run.p50Ms);
            expect(run.meanMs).toBeLessThanOrEqual(30 * 24 * 3600_000);
            expect(restored.run(taskClass, seat, 77)).toEqual(run);
          }
          const memory = estimator.need(taskClass, 'memory');
          if (memory !== undefined) expect(memory.p90Bytes).toBeGreaterThanOrEqual(memory.p50Bytes);
        }
      }),
    );
  });

  it('memory is bounded: what was used least recently is forgotten', () => {
    const estimator = new Estimator();
    for (let run = 0; run < 20_000; run += 1) {
      estimator.observe({ taskClass: `class ${run}`, seat: `w${run}`, runMs: 5 });
      estimator.observe({ taskClass: 'kept', seat: `w${run}`, runMs: 5 });
    }
    const { classes, seats } = estimator.save();
    expect(classes).toHaveLength(1024);
    expect(seats).toHaveLength(16_384);
    expect(Math.max(...classes.map(([, , , , , pairs]) => pairs.length))).toBe(128);
    expect(estimator.run('class 0', 'w0')).toBeUndefined();
    expect(estimator.run('kept', 'w19999')).toMatchObject({ here: 1, anywhere: 20_000 });
  });
});

it('what a class needs of memory is learned as quantiles', () => {
  const random = new SeededRandom(7);
  const estimator = new Estimator();
  const use = () => spreadRun(random, 2 ** 30, 0.15);
  for (let run = 0; run < 400; run += 1)
    estimator.observe({ taskClass: 'a', seat: 'w1', runMs: 10, peakMemoryBytes: use(), peakVramBytes: 0 });
  const { p50Bytes = 0, p90Bytes = 0 } = estimator.need('a', 'memory') ?? {};
  expect(p50Bytes / 2 ** 30).toBeGreaterThan(0.9);
  expect(p50Bytes / 2 ** 30).toBeLessThan(1.1);
  expect(p90Bytes / 2 ** 30).toBeGreaterThan(1.1);
  expect(p90Bytes / 2 ** 30).toBeLessThan(1.35);
  expect(estimator.need('a', 'vram')).toBeUndefined();
});

describe('a seat on which nothing ran yet', () => {
  const known = (threads: number): Estimator => {
    const estimator = new Estimator();
    estimator.describeSeat('reference', '', 1, 16);
    for (let run = 0; run < 20; run += 1)
      estimator.observe({ taskClass: 'a', seat: 'reference', runMs: 1000, cpuMs: 1000 * threads });
    return estimator;
  };
  const expected = (estimator: Estimator, speed: number, allSpeed: number): number => {
    estimator.describeSeat('new', '', speed, allSpeed);
    return estimator.run('a', 'new')?.p50Ms ?? 0;
  };

  it('is expected to be as was measured at its join', () => {
    expect(expected(known(1), 0.5, 4) / 1000).toBeCloseTo(2, 1);
    expect(expected(known(1), 1, 1) / 1000).toBeCloseTo(1, 1);
  });

  it('runs many threads as fast as all of its own are together', () => {
    expect(expected(known(8), 1, 2) / 1000).toBeCloseTo(4, 1);
    expect(expected(known(8), 1, 16) / 1000).toBeCloseTo(1, 1);
    expect(expected(known(8), 0.5, 16) / 1000).toBeCloseTo(2, 1);
  });

  it('hardly slows what mostly waits', () => {
    expect(expected(known(0.1), 0.25, 1) / 1000).toBeLessThan(1.3);
  });

  it('goes by what is asked for where no use was seen', () => {
    const estimator = new Estimator();
    estimator.observe({ taskClass: 'a', seat: 'reference', runMs: 1000, cpuMilli: 8000 });
    expect(expected(estimator, 1, 2) / 1000).toBeCloseTo(4, 1);
  });

  it('is believed within what machines are, and no further', () => {
    expect(expected(known(1), 1e6, 1e9)).toBeGreaterThanOrEqual(240);
    expect(expected(known(1), 1e-9, 1e-9)).toBeLessThanOrEqual(17_000);
    expect(expected(known(8), 1, 1e15)).toBeGreaterThanOrEqual(240);
  });

  it('is known after a restart', () => {
    const before = known(8);
    const after = new Estimator();
    expected(before, 1, 2);
    after.load(structuredClone(before.save()));
    expect(after.run('a', 'new')).toEqual(before.run('a', 'new'));
    expect(after.isDescribed('new', '', 1, 2)).toBe(true);
    expect(after.isDescribed('new', '', 1, 4)).toBe(false);
  });
});

describe('a class by itself', () => {
  const slower = (estimator: Estimator, runs: number) => {
    for (let run = 0; run < runs; run += 1)
      estimator.observe({ taskClass: 'a', seat: 'w1', runMs: run < runs / 2 ? 1000 : 9000 });
  };

  it('is the same to one that never saw its seats change', () => {
    const estimator = taught([]);
    slower(estimator, 120);
    expect(estimator.changesOf('w1')).toBeGreaterThan(0);
    const other = new Estimator();
    other.putClass(estimator.saveClass('a') as never);
    expect(other.levelsOf('a')).toEqual(estimator.levelsOf('a'));
    expect(other.run('a', 'w1')?.p50Ms).toBeCloseTo(estimator.run('a', 'w1')?.p50Ms ?? 0, -3);
    expect(other.changesOf('w1')).toBe(0);
  });

  it('put back where it is from changes nothing, whatever is learned of it next', () => {
    const [estimator, same] = [taught([]), taught([])];
    slower(estimator, 120);
    slower(same, 120);
    estimator.putClass(estimator.saveClass('a') as never);
    for (const one of [estimator, same]) one.observe({ taskClass: 'a', seat: 'w1', runMs: 700 });
    expect(estimator.run('a', 'w1')?.p50Ms).toBeCloseTo(same.run('a', 'w1')?.p50Ms ?? 0, 6);
  });

  it('that is not known has nothing to be saved', () => {
    expect(taught([1000]).saveClass('b')).toBeUndefined();
    expect(taught([1000]).levelsOf('b')).toEqual([]);
  });
});
