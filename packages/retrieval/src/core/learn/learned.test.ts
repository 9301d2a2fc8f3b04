import { expect, it } from 'vitest';
import { type Feedback, learnFrom, relearned } from './learned.ts';
import { replay } from './replay.ts';

const good = (query: string, id: string): Feedback => ({ query, id, verdict: 'good' });
const scoreOf = (feedback: readonly Feedback[], query: string, id: string) =>
  relearned(learnFrom(feedback, 1), query, [{ id, score: 0 }])[0]?.learned ?? Number.NaN;

it('carries approval to other queries by their words, rare words most', () => {
  const all = [
    good('rocket nozzle', 'a'),
    good('rocket fuel', 'b'),
    good('rocket crew', 'c'),
    good('moon dust', 'd'),
  ];
  expect(scoreOf(all, 'nozzles of metal', 'a')).toBeGreaterThan(scoreOf(all, 'rockets', 'a'));
  expect(scoreOf(all, 'rockets', 'a')).toBeGreaterThan(0);
  expect(scoreOf(all, 'moon', 'a')).toBe(0);
  expect(scoreOf(all, 'moon', 'nobody asked')).toBe(0);
});

it('what was bad goes down, what was merely used goes up less', () => {
  const of = (verdict: Feedback['verdict']) =>
    scoreOf([{ query: 'rocket', id: 'a', verdict }], 'rocket', 'a');
  expect(of('good')).toBeGreaterThan(of('used'));
  expect(of('used')).toBeGreaterThan(0);
  expect(of('bad')).toBeLessThan(0);
});

it('however often it was merely used, one word against it weighs more', () => {
  const used = Array.from(
    { length: 50 },
    (_, n): Feedback => ({ query: `rocket n${n}`, id: 'a', verdict: 'used' }),
  );
  expect(scoreOf(used, 'rocket', 'a')).toBeGreaterThan(0);
  expect(scoreOf([...used, { query: 'rocket', id: 'a', verdict: 'bad' }], 'rocket', 'a')).toBeLessThan(0);
  expect(scoreOf([...used, good('rocket', 'b')], 'rocket', 'b')).toBeGreaterThan(
    scoreOf([...used, good('rocket', 'b')], 'rocket', 'a'),
  );
});

it('moves candidates by what was learned, and says by how much', () => {
  const learned = learnFrom([good('rocket', 'b')], 1);
  const candidates = [
    { id: 'a', score: 1 },
    { id: 'b', score: 0.9 },
    { id: 'c', score: 0.9 },
  ];
  const ids = (strength: number) =>
    relearned({ ...learned, strength }, 'rockets', candidates).map(({ id }) => id);
  expect(ids(1)).toEqual(['b', 'a', 'c']);
  expect(ids(0)).toEqual(['a', 'b', 'c']);
  const [first] = relearned(learned, 'rocket', [{ id: 'b', score: 0.9 }]);
  // One query of one has the word, and its compound beside it.
  expect(first?.learned).toBeCloseTo((2 * Math.log(1 + 0.5 / 1.5)) / 2, 10);
});

it('believes what helps queries it has not seen, and nothing else', () => {
  const ids = ['x', 'y', 'on0', 'on1', 'on2', 'on3'];
  const candidatesOf = () => ids.map((id, at) => ({ id, score: 1 - at / 10 }));
  const topics = Array.from({ length: 40 }, (_, n) => good(`topic${n % 4} number${n}`, `on${n % 4}`));
  const helped = replay(topics, candidatesOf);
  expect(helped).toMatchObject({ queries: 40, after: 1 });
  expect(helped.before).toBeLessThan(0.5);
  expect(helped.learned.strength).toBeGreaterThan(0);
  // Each approves of another: nothing can be learned from it.
  const scattered = topics.map(({ query }, n) => good(query, ids[(n * n * 7 + (n >> 2)) % 6] ?? ''));
  expect(replay(scattered, candidatesOf).learned.strength).toBe(0);
  expect(replay(topics.slice(0, 10), candidatesOf).learned.strength).toBe(0);
  expect(replay([], candidatesOf)).toMatchObject({ queries: 0, before: 0, after: 0 });
});
