import { expect, it } from 'vitest';
import { kill, totalsOf } from '../index/segment.ts';
import { SegmentBuilder } from '../index/segment-builder.ts';
import { queryTerms } from './query-terms.ts';
import { type IndexPart, type RankSettings, rank, rankSettings } from './rank.ts';

const partOf = (first: number, bodies: readonly string[], dead: readonly number[] = []): IndexPart => {
  const builder = new SegmentBuilder();
  bodies.forEach((body, at) => {
    builder.add(first + at, first + at, { title: '', path: '', symbols: [], body, names: [] });
  });
  const segment = builder.segment();
  for (const ordinal of dead) kill(segment.dead, ordinal);
  const lists = new Map(builder.postings());
  return { segment, totals: totalsOf(segment), postings: (term) => lists.get(term) };
};

const plain: RankSettings = { ...rankSettings, k1: 1.2, b: { title: 0, path: 0, symbol: 0, body: 0.75 } };
const scores = (parts: readonly IndexPart[], query: string, limit = 10) =>
  rank(parts, queryTerms(query), limit, plain).map(({ chunk, score }) => [chunk, Number(score.toFixed(4))]);

it('is BM25 as by hand', () => {
  // Three passages of 2, 1 and 3 terms, 2 on average; `moon` in two of them.
  const parts = [partOf(1, ['moon rocket', 'sun', 'moon moon star'])];
  const idf = Math.log(1 + (3 - 2 + 0.5) / (2 + 0.5));
  const one = (times: number, length: number) => {
    const frequency = times / (0.25 + 0.75 * (length / 2));
    return (idf * frequency * 2.2) / (1.2 + frequency);
  };
  expect(scores(parts, 'moon')).toEqual([
    [3, Number(one(2, 3).toFixed(4))],
    [1, Number(one(1, 2).toFixed(4))],
  ]);
});

it('does not see how passages came there: in how many parts, with how many dead', () => {
  const bodies = ['moon rocket', 'sun', 'moon moon star', 'rocket sun moon', 'star'];
  const whole = scores([partOf(1, bodies)], 'moon rocket star');
  const split = [
    partOf(1, bodies.slice(0, 2)),
    partOf(3, bodies.slice(2)),
    partOf(6, ['moon', 'rocket star'], [0, 1]),
  ];
  expect(scores(split, 'moon rocket star')).toEqual(whole);
});

it('asked for twice counts twice', () => {
  const parts = [partOf(1, ['moon', 'rocket rocket', 'sun'])];
  expect(scores(parts, 'moon moon rocket')[0]?.[0]).toBe(1);
  expect(scores(parts, 'moon rocket rocket')[0]?.[0]).toBe(2);
});

it('takes the best, of one score by their ties', () => {
  const parts = [partOf(1, Array(50).fill('moon')), partOf(51, ['moon moon moon', 'moon'])];
  expect(scores(parts, 'moon', 3).map(([chunk]) => chunk)).toEqual([51, 1, 2]);
  expect(scores(parts, 'moon', 1)).toHaveLength(1);
  expect(scores([], 'moon')).toEqual([]);
});
