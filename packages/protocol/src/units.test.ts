/** Times as people read them. */
import fc from 'fast-check';
import { expect, it } from 'vitest';
import { formatTime } from './units.ts';

it('a time is written as Date writes it, to the second', () => {
  const until9999 = 253_402_300_799_999;
  fc.assert(
    fc.property(fc.integer({ min: 0, max: until9999 }), (wallMs) => {
      expect(formatTime(wallMs)).toBe(new Date(wallMs).toISOString().replace(/\.\d+/, ''));
    }),
    {
      numRuns: 5000,
      examples: [[0], [Date.UTC(2000, 1, 29)], [Date.UTC(2100, 1, 28, 23, 59, 59)], [until9999]],
    },
  );
});
