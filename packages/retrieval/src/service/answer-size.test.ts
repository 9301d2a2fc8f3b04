import type { Passage } from '@gryphgen/protocol';
import fc from 'fast-check';
import { expect, it } from 'vitest';
import { fitted } from './answer-size.ts';

const passage = (text: string, at: number): Passage => ({
  score: 1 / (at + 1),
  machine: 'forge',
  source: `/docs/${at}.md`,
  lines: [1, 2],
  text,
  terms: { word: 1 },
});
const texts = fc.array(fc.string({ unit: 'grapheme', maxLength: 400 }), { maxLength: 20 });
const bytesOf = (value: unknown) => Buffer.byteLength(JSON.stringify(value));

it('an answer has the best results, the beginnings of their texts, and no more bytes than it may', () => {
  fc.assert(
    fc.property(texts, fc.integer({ min: 200, max: 6000 }), (all, maxBytes) => {
      const passages = all.map(passage);
      const answer = fitted(passages, maxBytes);
      expect(bytesOf(answer)).toBeLessThanOrEqual(maxBytes);
      for (const [at, { text = '', source }] of answer.results.entries()) {
        expect(source).toBe(passages[at]?.source);
        expect(passages[at]?.text?.startsWith(text)).toBe(true);
        expect(text).not.toMatch(/[\ud800-\udbff]$/);
      }
      const isWhole = answer.results.every(({ text }, at) => text === all[at]);
      expect(answer.cut).toBe(!isWhole || answer.results.length < all.length);
    }),
  );
});

it('each result has its part of the room for texts', () => {
  const long = 'word '.repeat(1000);
  const { results, cut } = fitted([long, 'short', long].map(passage), 4000);
  expect(cut).toBe(true);
  expect(results.map(({ text = '' }) => text.length > 1200 || text === 'short')).toEqual([true, true, true]);
});
