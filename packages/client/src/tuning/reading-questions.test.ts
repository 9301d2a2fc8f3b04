import { expect, it } from 'vitest';
import { textOf } from './reading-questions.ts';

/** Two around a text, some before it, and so many for each character. */
const counted = (before: number, perChar: number) => (text: readonly string[]) =>
  Promise.resolve(
    2 + before + text.reduce((sum, word) => sum + Math.max(1, Math.floor(word.length * perChar)), 0),
  );

it.each([
  ['a token for a word', counted(0, 0)],
  ['one for a character', counted(0, 1)],
  ['beside a query', counted(9, 0.3)],
])('a text has as many tokens as are wanted at most, and few less: %s', async (_, tokensIn) => {
  for (const wanted of [64, 100, 256, 511, 8192]) {
    const tokens = await tokensIn(await textOf(wanted, tokensIn));
    expect(tokens).toBeLessThanOrEqual(wanted);
    // A unit of them is not divided.
    expect(tokens).toBeGreaterThan(wanted - 50);
  }
});

it('of the shortest there is a word left', async () => {
  expect(await textOf(1, counted(9, 1))).toHaveLength(1);
  expect(await textOf(6, counted(0, 0))).toHaveLength(4);
});
