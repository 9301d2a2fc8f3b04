import { describe, expect, it } from 'vitest';
import { Estimator } from './estimator.ts';

const family = 'container';

function taught(): Estimator {
  const estimator = new Estimator();
  estimator.describeSeat('slow', '', 0.25);
  for (let run = 0; run < 3; run += 1)
    for (const [taskClass, runMs] of Object.entries({ b: 8000, c: 16_000, a: 4000 }))
      estimator.observe({ taskClass, family, seat: 'plain', runMs });
  return estimator;
}

describe('a class that never ran', () => {
  it('is expected to take what others of its family took at first, longer where machines are slower', () => {
    const estimator = taught();
    const { p50Ms = 0, p90Ms = 0, here, anywhere } = estimator.newcomer(family, '', 1) ?? {};
    expect(p50Ms).toBeGreaterThan(4000);
    expect(p50Ms).toBeLessThan(16_000);
    expect(p90Ms).toBeGreaterThan(p50Ms);
    expect([here, anywhere]).toEqual([0, 0]);
    expect((estimator.newcomer(family, 'slow', 1)?.p50Ms ?? 0) / p50Ms).toBeGreaterThan(2);
  });

  it('is not expected to take anything where none of its family ran', () => {
    expect(taught().newcomer('container on a device', 'plain', 1)).toBeUndefined();
    expect(taught().run('d', 'plain')).toBeUndefined();
  });

  it('is foretold the same by what was saved, and by classes that run often no more than by others', () => {
    const estimator = taught();
    const before = estimator.newcomer(family, '', 1);
    for (let run = 0; run < 100; run += 1)
      estimator.observe({ taskClass: 'a', family, seat: 'plain', runMs: 4000 });
    expect(estimator.newcomer(family, '', 1)).toEqual(before);
    const loaded = new Estimator();
    loaded.load(structuredClone(estimator.save()));
    expect(loaded.newcomer(family, 'slow', 1)).toEqual(estimator.newcomer(family, 'slow', 1));
    const { newcomers: _, ...older } = estimator.save();
    loaded.load(older);
    expect(loaded.newcomer(family, '', 1)).toBeUndefined();
  });
});
