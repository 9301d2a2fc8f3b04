import { expect, it } from 'vitest';
import { isClose } from './closeness.ts';

const found = (asked: number | undefined, ...passages: readonly Readonly<Record<string, number>>[]) => ({
  results: passages.map((terms) => ({
    ...{ score: 1, machine: 'forge', source: '/a', lines: [1, 2] as [number, number], text: 'x', terms },
  })),
  cut: false,
  ...(asked !== undefined && { asked }),
});

it('nothing that was found is near nothing', () => {
  expect(isClose(found(3))).toBe(false);
});

it('half of the words of a question are enough, however usual they are', () => {
  expect(isClose(found(2, { machin: 0.1 }))).toBe(true);
  expect(isClose(found(4, { machin: 0.1 }, { machin: 0.1, join: 0.2 }))).toBe(true);
});

it('fewer are, when they are rare together; what is no word does not count', () => {
  expect(isClose(found(5, { walrus: 4.1 }))).toBe(true);
  expect(isClose(found(5, { machin: 1.2, join: 1.3 }))).toBe(true);
  expect(isClose(found(5, { machin: 1.2 }))).toBe(false);
  expect(isClose(found(5, { machin: 1.2, '~machine': 2, '(feedback)': 3 }))).toBe(false);
});

it('what is near by its meaning, or of a service that does not count words, is left to the model', () => {
  expect(isClose(found(9, { '(meaning)': 0.01 }))).toBe(true);
  expect(isClose(found(undefined, { machin: 0.1 }))).toBe(true);
});
