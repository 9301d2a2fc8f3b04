import { expect, it } from 'vitest';
import { askedOf } from './asked.ts';

const bytes = (value: unknown): Uint8Array =>
  new TextEncoder().encode(typeof value === 'string' ? value : JSON.stringify(value));
const long = 'x'.repeat(10_000);

it.each([
  [{ messages: [], max_tokens: 7 }, 7],
  [{ max_completion_tokens: 8, messages: [{ content: long }] }, 8],
  [{ messages: [{ content: long }], max_output_tokens: 9, stream: true }, 9],
  [{ prompt: long, n_predict: 10 }, 10],
  ['{"prompt":"x", "max_tokens": 11}', 11],
  [{ prompt: 'x', n_predict: -1 }, undefined],
  [{ prompt: '"max_tokens":5' }, undefined],
  [{ prompt: 'x', max_tokens: 1.5 }, undefined],
  ['', undefined],
])('%j may be answered by so many tokens', (request, maxTokens) => {
  const asked = bytes(request);
  expect(askedOf(asked)).toEqual({ promptBytes: asked.length, ...(maxTokens && { maxTokens }) });
});
