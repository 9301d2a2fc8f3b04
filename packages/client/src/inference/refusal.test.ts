import { expect, it } from 'vitest';
import { refusalOf } from './refusal.ts';

it('too long a conversation is told with what there is room for', () => {
  const error = {
    code: 400,
    message: 'the request exceeds',
    type: 'exceed_context_size_error',
    n_prompt_tokens: 700,
    n_ctx: 512,
  };
  expect(refusalOf(JSON.stringify({ error }), 400, 'tiny', 'infer')).toEqual({
    code: 'rejected.invalid',
    message: expect.stringContaining('the conversation has 700 tokens, and tiny has room for 512'),
  });
});

it('what a server refuses is told in its words', () => {
  const body = JSON.stringify({ error: { message: 'no such grammar' } });
  expect(refusalOf(body, 400, 'tiny', 'infer')).toEqual({
    ...{ code: 'rejected.invalid', message: 'tiny answers 400: no such grammar' },
  });
  expect(refusalOf('<html>', 502, 'tiny', 'embed')).toEqual({
    ...{ code: 'execution.model', message: 'tiny answers 502: <html>' },
  });
});
