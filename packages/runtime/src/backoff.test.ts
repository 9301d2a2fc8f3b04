import { expect, it } from 'vitest';
import { Backoff } from './backoff.ts';

it('waits double each time, up to the ceiling, from the upper half', () => {
  const waits = (drawn: number) => {
    const random = { bytes: (count: number) => Buffer.alloc(count), number: () => drawn };
    const backoff = new Backoff(random, { baseMs: 100, ceilingMs: 1000 });
    const all = Array.from({ length: 6 }, () => backoff.nextMs());
    backoff.reset();
    return [...all, backoff.nextMs()];
  };
  expect(waits(0)).toEqual([50, 100, 200, 400, 500, 500, 50]);
  expect(waits(0.5)).toEqual([75, 150, 300, 600, 750, 750, 75]);
});
