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
