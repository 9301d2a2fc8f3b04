/** What llama-fit-params cannot be asked; the rest is in test/conformance/model-memory.test.ts. */
import { describe, expect, it } from 'vitest';
import { cacheBytes, cachedTokens } from './cache-memory.ts';
import { layer, model, settings } from './model.fixture.ts';

describe('tokens of a cache', () => {
  const windowed = model({ window: 1024 });

  it('are divided among slots, or shared by them', () => {
    const of = { contextTokens: 10_000, slots: 4 };
    expect(cachedTokens('all', windowed, settings(of))).toBe(2560);
    expect(cachedTokens('all', windowed, settings({ ...of, isUnified: true }))).toBe(10_240);
  });

  it('hold a window of each slot and the batch, never more than all', () => {
    const of = { contextTokens: 65_536, slots: 4 };
    expect(cachedTokens('window', windowed, settings(of))).toBe(1536);
    expect(cachedTokens('window', windowed, settings({ ...of, isUnified: true }))).toBe(4608);
    expect(cachedTokens('window', windowed, settings({ ...of, contextTokens: 2048 }))).toBe(512);
  });
});

describe('bytes of a cache', () => {
  it('are as many however slots share it', () => {
    const of = { contextTokens: 8192, slots: 4 };
    const bytes = 8192 * 8 * 256 * 2;
    expect(cacheBytes(layer(), model(), settings(of))).toBe(bytes);
    expect(cacheBytes(layer(), model(), settings({ ...of, isUnified: true }))).toBe(bytes);
  });

  it('may differ for keys and values', () => {
    const of = settings({ keyType: 'q8_0', valueType: 'q4_0' });
    expect(cacheBytes(layer(), model(), of)).toBe(8192 * 8 * 128 * ((34 + 18) / 32));
  });

  it('are none for a layer that keeps nothing', () => {
    expect(cacheBytes(layer({ keeps: 'nothing' }), model(), settings())).toBe(0);
  });
});
