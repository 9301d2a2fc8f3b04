/** A failure is always one that a peer takes. */
import { expect, it } from 'vitest';
import { failure } from './failure.ts';
import { limits } from './limits.ts';

it('keeps a sentence, and cuts one that no message may carry', () => {
  expect(failure('execution.start', 'there is no program x').message).toBe('there is no program x');
  const whole = 'x'.repeat(limits.messageChars);
  expect(failure('execution.start', whole).message).toBe(whole);
  const cut = failure('execution.start', `${whole}y`).message;
  expect(cut).toHaveLength(limits.messageChars);
  expect(cut.endsWith('x…')).toBe(true);
});
