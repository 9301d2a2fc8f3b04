import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { ModelDescription } from '@gryphgen/protocol';
import { afterAll, describe, expect, it } from 'vitest';
import {
  addModel,
  type ModelAsker,
  type ModelFile,
  readModelFile,
  servingOf,
  textPrefixesOf,
  useOf,
} from './models.ts';

const folder = mkdtempSync(join(tmpdir(), 'gg-models-'));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

const description: ModelDescription = {
  ...{ architecture: 'llama', name: 'tiny', quantization: 'F16', parameters: 1000, contextTokens: 4096 },
  ...{ vocabulary: 100, embedding: 8, keyLength: 4, valueLength: 4, window: 0, stateValues: 0 },
  layers: [{ keeps: 'all', heads: 2, kvHeads: 2, feedForward: 16, forward: 'gated', bytes: 100 }],
  ...{
    inputBytes: 10,
    outputBytes: 10,
    tiedBytes: 0,
    isGenerative: true,
    hasChatTemplate: true,
    fileBytes: 120,
  },
};
const file = (changes: Partial<ModelDescription> = {}, path = '/models/m.gguf'): ModelFile => ({
  ...{ path, files: [path] },
  description: { ...description, ...changes },
});
/** Nothing reaches it. */
const nobody = {} as ModelAsker;

describe('how a model is served', () => {
  it('follows from what it was made for', () => {
    expect(servingOf(description, {})).toEqual({ slotTokens: 4096, slots: 4, kvType: 'f16' });
    expect(servingOf({ ...description, contextTokens: 131_072 }, {}).slotTokens).toBe(8192);
    expect(servingOf(description, { slotTokens: 512, kvType: 'q8_0' })).toMatchObject({
      slotTokens: 512,
      kvType: 'q8_0',
    });
  });

  it('is no more than that', () => {
    expect(() => servingOf(description, { slotTokens: 8192 })).toThrow('made for 4096 at most');
  });
});

it('what a model is for shows by its file', () => {
  expect(useOf(file())).toBe('infer');
  expect(useOf(file({ isGenerative: false }))).toBe('embed');
  expect(useOf(file({ isGenerative: false }, '/models/bge-Reranker-v2.gguf'))).toBe('rerank');
});

describe('what stands before texts', () => {
  const e5 = file({ isGenerative: false, name: 'Multilingual E5 Small' });
  const usual = { query: 'query: ', passage: 'passage: ' };

  it('is what the model is known to want, by its name or that of its file', () => {
    expect(textPrefixesOf(e5, 'embed', {})).toEqual(usual);
    expect(textPrefixesOf(file({}, '/models/multilingual-e5-small-q8_0.gguf'), 'embed', {})).toEqual(usual);
    expect(textPrefixesOf(file(), 'embed', {})).toBeUndefined();
  });

  it('is what is said where it is said, each for itself', () => {
    expect(textPrefixesOf(e5, 'embed', { prefixes: { query: 'find: ' } })).toEqual({
      ...usual,
      query: 'find: ',
    });
    expect(textPrefixesOf(e5, 'embed', { prefixes: { query: '', passage: '' } })).toBeUndefined();
  });

  it('is nothing for what does not embed', () => {
    expect(textPrefixesOf(e5, 'rerank', {})).toBeUndefined();
    expect(() => textPrefixesOf(e5, 'rerank', { prefixes: { query: '' } })).toThrow('a model that embeds');
  });
});

describe('what cannot be added', () => {
  it.each([
    ['a name of no model', 'no model', file(), {}, 'expected 1 to 64 of letters'],
    ['one that writes, for embedding', 'm', file(), { use: 'embed' as const }, 'cannot be used for embed'],
    [
      'one that embeds, for writing',
      'm',
      file({ isGenerative: false }),
      { use: 'infer' as const },
      'cannot be used for infer',
    ],
    ['more instances than at most', 'm', file(), { min: 3, max: 2 }, 'the first is more'],
    ['more context than it has', 'm', file(), { slotTokens: 4097 }, 'made for 4096'],
  ])('%s', async (_, name, found, settings, words) => {
    await expect(addModel(nobody, name, found, settings)).rejects.toThrow(words);
  });

  it('a file that is none', async () => {
    const path = join(folder, 'text.gguf');
    writeFileSync(path, 'this is no model, whatever it is called');
    await expect(readModelFile(path)).rejects.toMatchObject({ failure: { code: 'rejected.invalid' } });
    await expect(readModelFile(join(folder, 'gone.gguf'))).rejects.toThrow('there is no such file');
  });
});
