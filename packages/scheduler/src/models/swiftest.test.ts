import { describe, expect, it } from 'vitest';
import { swiftest } from './swiftest.ts';

const of = (takes: Record<string, number | undefined>) =>
  swiftest(Object.keys(takes), (place) => takes[place]);

describe('the swiftest of places', () => {
  it('are those about as soon as the soonest, in the order of preference', () => {
    expect(of({ a: 100, b: 30, c: 28, d: 33 })).toEqual(['b', 'c']);
    expect(of({ a: 32, b: 28 })).toEqual(['a', 'b']);
    expect(of({})).toEqual([]);
  });

  it('are all where nothing is known of the one preferred, and those known where it is', () => {
    expect(of({ a: undefined, b: 1, c: 9 })).toEqual(['a', 'b', 'c']);
    expect(of({ a: 9, b: undefined, c: 1 })).toEqual(['c']);
  });
});
