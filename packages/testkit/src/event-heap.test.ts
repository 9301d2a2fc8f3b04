import fc from 'fast-check';
import { expect, it } from 'vitest';
import { EventHeap } from './event-heap.ts';

it('gives events by time, and those of one time in the order they were planned', () => {
  fc.assert(
    fc.property(fc.array(fc.integer({ min: 0, max: 20 })), (times) => {
      const heap = new EventHeap<number>();
      for (const [index, at] of times.entries()) heap.push(at, index);
      const taken: [number, number][] = [];
      for (let next = heap.pop(); next !== undefined; next = heap.pop()) taken.push([next.at, next.event]);
      const expected = times.map((at, index): [number, number] => [at, index]);
      expect(taken).toEqual(expected.sort(([a, i], [b, j]) => a - b || i - j));
      expect(heap.size).toBe(0);
    }),
  );
});
