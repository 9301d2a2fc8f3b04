import type { ModelDocument, Serving } from '@gryphgen/protocol';
import { expect, it } from 'vitest';
import { type RoundFlags, roundShape } from './round-flags.ts';

const serving: Serving = { slots: 4, slotTokens: 512, kvType: 'f16' };
const shape = (use: ModelDocument['use'], flags: RoundFlags = {}) =>
  roundShape({ name: 'm', use, serving } as ModelDocument, flags);

it('is by default as many requests as there are slots, each of half a slot', () => {
  expect(shape('infer')).toEqual({ use: 'infer', load: 4, promptTokens: 256, outputTokens: 64 });
  expect(shape('embed')).toEqual({ use: 'embed', load: 4, promptTokens: 256, texts: 8 });
  expect(shape('rerank', { load: 1, texts: 40, promptTokens: 512 })).toEqual({
    ...{ use: 'rerank', load: 1, promptTokens: 512, texts: 40 },
  });
});

it.each<[ModelDocument['use'], RoundFlags, string]>([
  [
    'infer',
    { promptTokens: 500 },
    'found 500 tokens of prompt and 64 of output, expected 512 at most together',
  ],
  ['infer', { texts: 8 }, '--texts is for those that embed or rank'],
  ['embed', { promptTokens: 513 }, 'found 513 tokens of each text, expected 512 at most'],
  [
    'embed',
    { outputTokens: 8 },
    'm is a model that embeds and writes nothing: --output-tokens is for those that write',
  ],
  ['rerank', { outputTokens: 8 }, 'm is a model that ranks and writes nothing'],
  ['rerank', { kv: ['q8_0'] }, '--kv is for those that write'],
])('of what such a model has not is refused: %s %j', (use, flags, words) => {
  expect(() => shape(use, flags)).toThrow(words);
});
