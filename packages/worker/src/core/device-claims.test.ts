import fc from 'fast-check';
import { expect, it } from 'vitest';
import { type Claim, judge, marginBytes } from './device-claims.ts';

const GiB = 1024 ** 3;
const claim = (key: string, reservedGiB: number, over: Partial<Claim> = {}): Claim => ({
  key,
  reservedBytes: reservedGiB * GiB,
  whole: false,
  stage: 'running',
  ...over,
});
const used = (gib: Record<string, number>) =>
  new Map(Object.entries(gib).map(([key, amount]) => [key, amount * GiB]));

it('finds nothing where everybody keeps to what it asked for', () => {
  expect(judge(1 * GiB, used({ a: 5, b: 4 }), [claim('a', 5), claim('b', 5)])).toEqual({
    excesses: [],
    danger: null,
  });
});

it('tells of excess that harms nobody, the worst first', () => {
  const claims = [claim('a', 2), claim('b', 2), claim('c', 1)];
  const { excesses, danger } = judge(1 * GiB, used({ a: 3, b: 4, c: 1 }), claims);
  expect(excesses.map(({ key }) => key)).toEqual(['b', 'a']);
  expect(danger).toBeNull();
});

it('names the neighbour that lacks most', () => {
  const claims = [claim('a', 5), claim('b', 3), claim('c', 3)];
  const { excesses, danger } = judge(1 * GiB, used({ a: 8, b: 2, c: 1 }), claims);
  expect(excesses).toEqual([{ key: 'a', usedBytes: 8 * GiB, reservedBytes: 5 * GiB }]);
  expect(danger).toEqual({
    key: 'c',
    reservedBytes: 3 * GiB,
    outstandingBytes: 2 * GiB,
    freeBytes: 1 * GiB,
  });
});

it('blames nobody within the margin, though programs outside the grid took the rest', () => {
  const usedBy = new Map([['a', 5 * GiB + marginBytes]]);
  const { excesses, danger } = judge(0, usedBy, [claim('a', 5), claim('b', 5)]);
  expect(excesses).toEqual([]);
  expect(danger).toMatchObject({ key: 'b' });
});

it('keeps little room for what is loaded, and all of it for what it holds', () => {
  const claims = [claim('a', 8, { growthBytes: GiB / 4 }), claim('b', 5)];
  expect(judge(1 * GiB, used({ a: 4, b: 6 }), claims).danger).toBeNull();
  expect(judge(GiB / 8, used({ a: 4, b: 6 }), claims).danger).toMatchObject({
    key: 'a',
    outstandingBytes: GiB / 4,
  });
  expect(judge(0, used({ a: 8, b: 6 }), claims).danger).toBeNull();
});

it('keeps room for what is still to start, and blames it for nothing', () => {
  const coming = claim('b', 5, { stage: 'coming' });
  const { excesses, danger } = judge(4 * GiB, used({ a: 1, b: 9 }), [claim('a', 1), coming]);
  expect(excesses).toEqual([]);
  expect(danger).toBeNull();
  expect(judge(4 * GiB, used({ a: 1 }), [claim('a', 1), coming]).danger).toMatchObject({ key: 'b' });
});

it('counts what is being ended as free, and what was left for it as nobody’s', () => {
  const leaving = claim('a', 5, { stage: 'leaving' });
  const claims = [leaving, claim('b', 5), claim('c', 1)];
  const { excesses, danger } = judge(0, used({ a: 8, c: 2 }), claims);
  expect(excesses.map(({ key }) => key)).toEqual(['c']);
  expect(danger).toBeNull();
});

it('takes any use beside a whole holder for a danger to it, and none of its own for excess', () => {
  const whole = claim('a', 12, { whole: true });
  const { excesses, danger } = judge(1 * GiB, used({ a: 10, stranger: 1 }), [whole, claim('stranger', 0)]);
  expect(excesses).toMatchObject([{ key: 'stranger', reservedBytes: 0 }]);
  expect(danger).toMatchObject({ key: 'a' });
  expect(judge(0, used({ a: 13 }), [whole]).excesses).toEqual([]);
});

it('sees no danger on a device that is as full as was agreed, and only excess can bring one', () => {
  const share = fc.record({
    reserved: fc.integer({ min: 0, max: 4000 }),
    used: fc.integer({ min: 0, max: 8000 }),
  });
  fc.assert(
    fc.property(fc.array(share, { maxLength: 6 }), fc.integer({ min: 0, max: 2000 }), (shares, spare) => {
      const claims = shares.map(({ reserved }, no) => claim(`${no}`, reserved / 1024));
      const usedBy = new Map(shares.map(({ used: bytes }, no) => [`${no}`, (bytes / 1024) * GiB]));
      const totalMiB = shares.reduce((sum, { reserved }) => sum + reserved, spare);
      const freeMiB = shares.reduce((left, { used: mib }) => left - mib, totalMiB);
      const { excesses, danger } = judge((freeMiB / 1024) * GiB, usedBy, claims);
      const beyond = shares.filter(({ reserved, used: mib }) => mib > reserved + 64);
      expect(excesses).toHaveLength(beyond.length);
      if (shares.every(({ reserved, used: mib }) => mib <= reserved)) expect(danger).toBeNull();
    }),
  );
});
