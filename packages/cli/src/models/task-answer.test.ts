import { encodeBody } from '@gryphgen/protocol';
import { expect, it } from 'vitest';
import { answerOf, answerWords } from './task-answer.ts';

function ended(body: unknown, status = 200) {
  const result = {
    status,
    body: typeof body === 'string' ? body : JSON.stringify(body),
    firstMs: 1,
    restMs: 2,
  };
  return answerOf({ result: encodeBody({ result: new TextEncoder().encode(JSON.stringify(result)) }) });
}

function words(body: unknown, kind: string, status?: number): string {
  const answer = ended(body, status);
  if (answer === undefined) throw new Error('no answer');
  return answerWords(answer, { kind, model: 'tiny' });
}

it.each([
  ['what it wrote', { choices: [{ message: { content: 'Hello.' } }] }, 'infer', 'Hello.'],
  ['what it went on with', { choices: [{ text: ' and so' }] }, 'infer', ' and so'],
  [
    'embeddings',
    { data: [{ embedding: [1, 2, 3] }, { embedding: [4, 5, 6] }] },
    'embed',
    '2 embeddings of 3 numbers',
  ],
  ['one embedding', { data: [{ embedding: [1] }] }, 'embed', '1 embedding of 1 numbers'],
  [
    'ranks, best first',
    {
      results: [
        { index: 0, relevance_score: -1 },
        { index: 1, relevance_score: 0.5 },
      ],
    },
    ...['rerank', '1  0.5000\n0  -1.0000'],
  ],
  ['what nobody knows', { prompt: 'x' }, 'infer', '{"prompt":"x"}'],
  ['text', 'plain', 'infer', 'plain'],
] as const)('%s', (_, body, kind, expected) => {
  expect(words(body, kind)).toBe(expected);
});

it('why it was refused', () => {
  expect(words({ error: { message: 'no' } }, 'infer', 400)).toBe('tiny answers 400: no');
});

it('nothing where the answer went elsewhere, or is made up', () => {
  const result = new TextEncoder().encode(JSON.stringify({ status: 200, firstMs: 1, restMs: 2 }));
  expect(answerOf({ result: encodeBody({ result }) })).toBeUndefined();
  expect(answerOf({ result: encodeBody({ result: new TextEncoder().encode('{') }) })).toBeUndefined();
  expect(answerOf({ result: new Uint8Array() })).toBeUndefined();
});
