import { expect, it } from 'vitest';
import { checkAnswer } from './check-answer.ts';

const at = {
  machine: 'forge',
  source: '/a',
  lines: [1, 2] as [number, number],
  text: 'x',
  score: 1,
  tokens: 1,
};
const pack = { passages: [1, 2, 3].map((number) => ({ ...at, number })) };
const check = (written: unknown, reason = 'stop') =>
  checkAnswer(typeof written === 'string' ? written : JSON.stringify(written), reason, pack);

it('keeps citations of passages that there are, each once, and tells the others', () => {
  expect(check({ found: true, answer: ' By a ticket. ', citations: [3, 7, 1, 3, 0, -2, 7] })).toEqual({
    ...{ kind: 'answered', answer: 'By a ticket.', cited: [3, 1], unknown: [7, 0, -2] },
  });
  expect(check({ found: true, answer: 'So it is.', citations: [9] })).toMatchObject({
    cited: [],
    unknown: [9],
  });
});

it('takes a model at its word that there is none', () => {
  expect(check({ found: false })).toEqual({ kind: 'not-found' });
  expect(check({ found: false, answer: 'But I guess …', citations: [1] })).toEqual({ kind: 'not-found' });
});

it.each([
  ['no JSON', 'By a ticket.', /not as it was asked for.*By a ticket/],
  ['half of one', '{"found": true, "answer": "By', /not as it was asked for/],
  ['nothing', '', /not as it was asked for/],
  ['another shape', { found: true, answer: 5, citations: [1] }, /answer: /],
  ['no citations', { found: true, answer: 'So.' }, /citations: /],
  ['a number that is none', { found: true, answer: 'So.', citations: [1.5] }, /citations\.0: /],
  ['found in other words', { found: 'yes', answer: 'So.', citations: [] }, /found: /],
  ['no words', { found: true, answer: ' \n', citations: [1] }, /no words/],
  ['a list', [], /not as it was asked for/],
])('%s is no answer', (_, written, why) => {
  expect(check(written)).toEqual({ kind: 'wrong', why: expect.stringMatching(why) });
});

it('an answer that was cut off is none, though it may look like one', () => {
  const cut = check({ found: true, answer: 'So', citations: [1] }, 'length');
  expect(cut).toEqual({ kind: 'wrong', why: expect.stringContaining('cut off') });
});
