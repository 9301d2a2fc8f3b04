import { expect, it } from 'vitest';
import { diverse } from './diversity.ts';
import { fuse } from './reciprocal-rank.ts';

it('fuses by rank and weight, and says what each ranking added', () => {
  const words = { name: 'words', weight: 1, ids: ['a', 'b', 'c'] };
  const vectors = { name: 'vectors', weight: 2, ids: ['c', 'a'] };
  const fused = fuse([words, vectors, { name: 'none', weight: 0, ids: ['z'] }]);
  expect(fused.map(({ id }) => id)).toEqual(['c', 'a', 'b']);
  expect(fused[1]?.score).toBeCloseTo(1 / 61 + 2 / 62, 12);
  expect(fused[0]?.parts).toEqual([
    { ranking: 'words', rank: 3, score: 1 / 63 },
    { ranking: 'vectors', rank: 1, score: 2 / 61 },
  ]);
  expect(
    fuse([
      { ...words, ids: ['y'] },
      { ...words, name: 'other', ids: ['x'] },
    ]).map(({ id }) => id),
  ).toEqual(['x', 'y']);
});

const passage = (key: string, seq: number, text: string) => ({ collection: 'c', source: { key }, seq, text });

it('leaves out copies, and puts the fourth of one source after all others', () => {
  const license =
    'permission is hereby granted free of charge to any person obtaining a copy of this software';
  const results = [
    passage('a', 0, license),
    passage('b', 0, `${license} `),
    passage('a', 1, 'one two three'),
    passage('a', 2, 'four five six'),
    passage('a', 3, 'seven eight nine'),
    passage('d', 0, 'ten eleven twelve'),
  ];
  const shown = (limit: number) => diverse(results, limit).map(({ source, seq }) => `${source.key}${seq}`);
  expect(shown(10)).toEqual(['a0', 'a1', 'a2', 'd0', 'a3']);
  expect(shown(2)).toEqual(['a0', 'a1']);
  expect(diverse([], 3)).toEqual([]);
});

it('a copy has 85 of 100 of the triples of both together, and no fewer', () => {
  const words = (count: number, from = 0) =>
    Array.from({ length: count }, (_, n) => `w${n + from}`).join(' ');
  const count = (one: string, other: string) =>
    diverse([passage('a', 0, one), passage('b', 0, other)], 10).length;
  // Of 100 triples the other has the first 85, or 84.
  expect([count(words(102), words(87)), count(words(87), words(102))]).toEqual([1, 1]);
  expect([count(words(102), words(86)), count(words(86), words(102))]).toEqual([2, 2]);
  expect(count(words(102), words(102, 8))).toBe(1);
  expect(count(words(102), words(102, 9))).toBe(2);
});
