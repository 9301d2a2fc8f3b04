/** Asked for seat after seat, an estimator says what it says of each run. */
import { expect, it } from 'vitest';
import { SeededRandom } from '../seeded-random.ts';
import { Estimator } from './estimator.ts';

it('means on seat after seat are those of each run', () => {
  const random = new SeededRandom(7);
  const estimator = new Estimator();
  estimator.describeSeat('w1', 'fast', 2, 16);
  for (let run = 0; run < 200; run += 1) {
    const taskClass = random.pick(['a', 'b']);
    const inputBytes = random.pick([0, 2 ** 12, 2 ** 20, 2 ** 28]);
    const runMs = random.between(1000, 60_000);
    const ran = { runMs, inputBytes, cpuMs: 3 * runMs };
    estimator.observe({ taskClass, family: 'process', seat: `w${random.int(0, 2)}`, ...ran });
    const means = estimator.meansOf(taskClass, 2 ** 20);
    const ofNew = estimator.newcomerMeansOf('process', 8);
    for (const seat of ['w0', 'w1', 'w2', 'new']) {
      const { meanMs, here, anywhere } = estimator.run(taskClass, seat, 2 ** 20) ?? {};
      expect(means?.(seat)).toBe(meanMs);
      expect([estimator.countOf(taskClass, seat), estimator.countOf(taskClass)]).toEqual([here, anywhere]);
      expect(ofNew?.(seat)).toBe(estimator.newcomer('process', seat, 8)?.meanMs);
    }
  }
});

it('nothing is expected of a class or a family of which nothing ran', () => {
  const estimator = new Estimator();
  expect(estimator.meansOf('none', 0)).toBeUndefined();
  expect(estimator.newcomerMeansOf('none', 1)).toBeUndefined();
  expect([estimator.countOf('none'), estimator.countOf('none', 'w0')]).toEqual([0, 0]);
});
