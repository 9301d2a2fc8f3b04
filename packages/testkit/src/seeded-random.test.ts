import { expect, it } from 'vitest';
import { SeededRandom } from './seeded-random.ts';

const draw = (random: SeededRandom, count = 5) => Array.from({ length: count }, () => random.uint32());

it('gives one sequence for one seed, on every machine', () => {
  expect(draw(new SeededRandom(42))).toEqual(draw(new SeededRandom(42)));
  expect(draw(new SeededRandom(42))).not.toEqual(draw(new SeededRandom(43)));
  expect(draw(new SeededRandom('fixed'), 3)).toMatchInlineSnapshot(`
    [
      629361448,
      2996157330,
      3027373666,
    ]
  `);
});

it('splits into streams that what another stream draws does not move', () => {
  const one = new SeededRandom(7);
  const first = draw(one.split('network'));
  draw(one, 100);
  expect(draw(one.split('network'))).toEqual(first);
  expect(draw(one.split('disk'))).not.toEqual(first);
});

it('spreads evenly', () => {
  const random = new SeededRandom(1);
  const buckets = new Array<number>(10).fill(0);
  for (let n = 0; n < 100_000; n += 1) {
    const bucket = random.int(0, 9);
    buckets[bucket] = (buckets[bucket] ?? 0) + 1;
  }
  for (const count of buckets) expect(Math.abs(count - 10_000)).toBeLessThan(500);
});

it('picks by weight', () => {
  const random = new SeededRandom(2);
  let heavy = 0;
  for (let n = 0; n < 10_000; n += 1)
    if (
      random.weighted([
        [3, 'heavy'],
        [1, 'light'],
      ]) === 'heavy'
    )
      heavy += 1;
  expect(Math.abs(heavy - 7500)).toBeLessThan(250);
});
