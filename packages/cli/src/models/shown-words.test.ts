import { expect, it } from 'vitest';
import { shownWords } from './shown-words.ts';

it('what a model writes cannot move the cursor of who reads it', () => {
  const text = 'a\u001b[2Jb\u202ec\td\ne';
  expect(shownWords(text, { isTty: true })).toBe('a[2Jbc\td\ne');
  expect(shownWords(text, { isTty: false })).toBe(text);
});
