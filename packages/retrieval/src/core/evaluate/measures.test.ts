import { expect, it } from 'vitest';
import { averagePrecision, ndcg, quality, recall, reciprocalRank } from './measures.ts';
import { readQrels, readRun } from './trec.ts';

const judgments = new Map([
  ['a', 3],
  ['b', 2],
  ['c', 1],
  ['d', 0],
]);

it('counts as by hand: relevant at ranks 2, 3 and 6', () => {
  const ranking = ['x', 'b', 'a', 'd', 'y', 'c'];
  // (2/log2(3) + 3/log2(4) + 1/log2(7)) / (3/log2(2) + 2/log2(3) + 1/log2(4))
  expect(ndcg(ranking, judgments, 10)).toBeCloseTo((1.26186 + 1.5 + 0.356207) / (3 + 1.26186 + 0.5), 5);
  // The sixth is out: (2/log2(3) + 3/log2(4)) / the same.
  expect(ndcg(ranking, judgments, 5)).toBeCloseTo((1.26186 + 1.5) / 4.76186, 5);
  // (1/2 + 2/3 + 3/6) / 3
  expect(averagePrecision(ranking, judgments)).toBeCloseTo(0.555556, 6);
  expect(reciprocalRank(ranking, judgments)).toBe(0.5);
  expect(recall(ranking, judgments, 3)).toBeCloseTo(2 / 3, 10);
});

it('is 1 for the best ranking, and 0 without anything relevant', () => {
  expect(ndcg(['a', 'b', 'c'], judgments, 10)).toBe(1);
  expect(averagePrecision(['a', 'b', 'c', 'd'], judgments)).toBe(1);
  for (const measure of [averagePrecision, reciprocalRank]) {
    expect(measure(['d', 'x'], judgments)).toBe(0);
    expect(measure(['a'], new Map([['a', 0]]))).toBe(0);
  }
  expect(ndcg(['a'], new Map(), 10)).toBe(0);
  expect(recall(['a'], new Map(), 10)).toBe(0);
});

it('reads what trec_eval reads, and takes the mean over judged queries', () => {
  const qrels = readQrels('1 0 a 1\n1 0 b 0\n\n2\t0\tc\t2\n3 0 x 0\n');
  const run = readRun('1 Q0 b 1 9.5 me\n1 Q0 a 2 9.5 me\n1 Q0 z 3 1e1 me\n9 Q0 a 1 1 me\n');
  if (qrels.kind === 'wrong' || run.kind === 'wrong') throw new Error('they are right');
  expect(run.value.get('1')).toEqual(['z', 'b', 'a']);
  // Query 1 finds `a` third; query 2 was not answered; query 3 has nothing relevant and does not count.
  const found = quality(run.value, qrels.value, 2);
  expect(found.queries).toBe(2);
  expect(found.ndcgAt10).toBeCloseTo(0.5 / 2, 10);
  expect(found.map).toBeCloseTo(1 / 3 / 2, 10);
  expect(found.mrr).toBeCloseTo(1 / 3 / 2, 10);
  expect(found.recall).toBe(0);
});

it('says which line is wrong', () => {
  expect(readQrels('1 0 a 1\n\n1 0 b\n')).toMatchObject({ kind: 'wrong', line: 3 });
  expect(readQrels('1 0 a yes')).toMatchObject({ kind: 'wrong', line: 1 });
  expect(readRun('1 Q0 a 1 high me')).toMatchObject({ kind: 'wrong', line: 1 });
});
