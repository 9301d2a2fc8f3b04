/** The models and settings that memory estimates are compared over: shapes of models people run, at their real sizes. */
import type { ModelSettings } from '@gryphgen/scheduler';
import { dense, encoder, experts, hybrid, latent, type Model, recurrent, windowed } from '@gryphgen/testkit';

const of8b = {
  layers: 32,
  embedding: 4096,
  vocabulary: 128_256,
  type: 'f16',
  heads: 32,
  kvHeads: 8,
  feedForward: 14_336,
} as const;
const quantized = { type: 'q4_k', endType: 'q6_k' } as const;
const state = { inner: 5120, state: 16, kernel: 4, rank: 160, embedding: 2560, tied: true } as const;
const gemma = { heads: 8, kvHeads: 4, headLength: 256, tied: true, type: 'q8_0' } as const;

export const models: Readonly<Record<string, Model>> = {
  'dense 8B F16': dense(of8b),
  'dense 8B Q4_K': dense({ ...of8b, ...quantized }),
  'dense 7B all heads': dense({ ...of8b, kvHeads: 32, vocabulary: 32_000, feedForward: 11_008 }),
  'dense 70B': dense({ ...of8b, ...quantized, layers: 80, embedding: 8192, heads: 64, feedForward: 28_672 }),
  'dense 1B tied': dense({
    ...of8b,
    layers: 16,
    embedding: 2048,
    headLength: 64,
    feedForward: 8192,
    type: 'q8_0',
    tied: true,
  }),
  'experts 8 of 7B': experts({
    ...of8b,
    ...quantized,
    vocabulary: 32_000,
    experts: { count: 8, used: 2, feedForward: 14_336 },
  }),
  'experts 128 of 30B': experts({
    ...of8b,
    ...quantized,
    layers: 48,
    embedding: 2048,
    vocabulary: 151_936,
    kvHeads: 4,
    headLength: 128,
    experts: { count: 128, used: 8, feedForward: 768 },
  }),
  'window 4B, 5 of 6': windowed({
    ...gemma,
    layers: 34,
    embedding: 2560,
    feedForward: 10_240,
    vocabulary: 262_144,
    window: 1024,
  }),
  'window 27B, 5 of 6': windowed({
    ...gemma,
    ...quantized,
    layers: 62,
    embedding: 5376,
    heads: 32,
    kvHeads: 16,
    headLength: 128,
    feedForward: 21_504,
    vocabulary: 262_144,
    window: 1024,
  }),
  'window 2B, 1 of 2': windowed(
    { ...gemma, layers: 26, embedding: 2304, feedForward: 9216, vocabulary: 256_000, window: 4096 },
    'gemma2',
  ),
  'latent 16B': latent({
    layers: 30,
    embedding: 2048,
    vocabulary: 102_400,
    type: 'q8_0',
    heads: 16,
    feedForward: 10_944,
    denseLayers: 1,
    experts: { count: 64, used: 6, feedForward: 1408, shared: 2 },
    queryRank: 1536,
    latent: 512,
    ropeLength: 64,
    headLength: 128,
  }),
  'latent 671B': latent({
    ...quantized,
    layers: 61,
    embedding: 7168,
    vocabulary: 129_280,
    heads: 128,
    feedForward: 18_432,
    denseLayers: 3,
    experts: { count: 256, used: 8, feedForward: 2048, shared: 1 },
    queryRank: 1536,
    latent: 512,
    ropeLength: 64,
    headLength: 128,
  }),
  'state 2.8B': recurrent({ ...state, layers: 64, vocabulary: 50_280, type: 'f16' }),
  'state 2.8B, large': recurrent({ ...state, layers: 64, vocabulary: 50_280, type: 'q8_0', state: 64 }),
  'state and keys 3B': hybrid({
    ...state,
    layers: 28,
    vocabulary: 65_536,
    type: 'f16',
    heads: 20,
    kvHeads: 1,
    feedForward: 8192,
    every: 14,
  }),
  'embedding 0.3B': encoder({
    layers: 24,
    embedding: 1024,
    vocabulary: 30_522,
    type: 'f16',
    heads: 16,
    feedForward: 4096,
  }),
};

export interface Setting {
  readonly settings: ModelSettings;
  /** `-ngl`, and in which proportions over devices (`-ts`). */
  readonly offloaded: number;
  readonly shares: readonly number[];
}

const plain: ModelSettings = {
  contextTokens: 8192,
  slots: 1,
  isUnified: false,
  keyType: 'f16',
  valueType: 'f16',
  batchTokens: 512,
  flashAttention: true,
};

const setting = (changes: Partial<ModelSettings>, offloaded = 0, ...shares: number[]): Setting => ({
  settings: { ...plain, ...changes },
  offloaded,
  shares,
});

const ALL = 999;
/** Several slots and quantized caches together: with 128 experts, llama.cpp 0.7.0 aborts. */
export const settings: Readonly<Record<string, Setting>> = {
  host: setting({ contextTokens: 32_768, slots: 4 }),
  'host, large batch': setting({ contextTokens: 16_384, batchTokens: 2048 }),
  'host, no flash attention': setting({ contextTokens: 5000, flashAttention: false }),
  'one device': setting({ contextTokens: 131_072, keyType: 'q8_0', valueType: 'q8_0' }, ALL, 1),
  'one device, no flash attention': setting({ flashAttention: false, slots: 2 }, ALL, 1),
  'half on a device': setting({ batchTokens: 2048, keyType: 'q4_0', valueType: 'q4_0' }, 15, 1),
  'two devices': setting({ contextTokens: 32_768, batchTokens: 1024 }, ALL, 2, 1),
  'a part on two devices': setting({ contextTokens: 32_768, slots: 4 }, 12, 2, 1),
};

export function optionsOf(
  { settings: of, offloaded, shares }: Setting,
  addresses: readonly string[],
): string[] {
  const used = addresses.slice(0, shares.length);
  const devices = ['--rpc', used.join(','), '-ngl', String(offloaded), '-ts', shares.join(',')];
  return [
    ...['-c', String(of.contextTokens), '-np', String(of.slots), '-ub', String(of.batchTokens), '-b', '2048'],
    ...['-ctk', of.keyType, '-ctv', of.valueType, '-fa', of.flashAttention ? 'on' : 'off'],
    ...(used.length === 0 ? [] : devices),
  ];
}
