import { Writable } from 'node:stream';
import type { CollectionAnswer } from '@gryphgen/client';
import { expect, it } from 'vitest';
import { openTerminal } from '../terminal.ts';
import { answerJson, answerLines } from './answer-view.ts';

const terminal = openTerminal(new Writable(), new Writable(), {});
const at = { machine: 'forge', source: '/docs/join.md', lines: [3, 9] as [number, number] };
const answered: CollectionAnswer = {
  ...{ answer: 'By a ticket.', found: true, supported: true, why: '', model: 'tiny', leftOut: 0, copies: 0 },
  citations: [
    { ...at, number: 2, place: 'page 3', title: 'Joining' },
    { ...at, number: 1, revision: '0123456789abcdef' },
  ],
  ...{ unknownCitations: [], passages: [], tasks: { answer: 'e3' } },
};

it('shows the answer, then where each number stands, in their order', () => {
  expect(answerLines(answered, terminal)).toEqual([
    'By a ticket.',
    '',
    '[1] /docs/join.md:3-9 at 0123456789ab',
    '[2] /docs/join.md:3-9 (page 3)  Joining',
  ]);
});

it('tells what is not supported, and numbers of no passages', () => {
  const lines = answerLines(
    { ...answered, supported: false, citations: [], unknownCitations: [7, 0] },
    terminal,
  );
  expect(lines.slice(2)).toEqual([
    'unsupported: it cites nothing that was read, so do not rely on it',
    'left out: [7] [0], which are no passages',
  ]);
});

it('tells who says that it is not there', () => {
  const none = {
    ...answered,
    answer: null,
    found: false,
    supported: false,
    why: 'no passage is close to it',
  };
  expect(answerLines(none, terminal)).toEqual(['not in the collection: no passage is close to it']);
  const away = { ...none, wordsAlone: 'the model words is not there any more' };
  expect(answerLines(away, terminal)[1]).toBe('found by words alone: the model words is not there any more');
  expect(answerJson(none)).toMatchObject({ answer: null, found: false, why: 'no passage is close to it' });
});

it('has lines for programs as the results of queries have them', () => {
  expect(answerJson(answered)).toMatchObject({
    ...{ answer: 'By a ticket.', supported: true, tasks: { answer: 'e3' } },
    citations: [{ number: 2, lines: '3-9' }, { number: 1 }],
  });
  expect(answerJson(answered)).not.toHaveProperty('why');
});
