/** What a layer keeps of the past for all slots: keys and values of some tokens, or a state. */
import type { ModelDescription, ModelLayer } from '@gryphgen/protocol';

/** Bytes of a value, of the types that llama.cpp's `-ctk` and `-ctv` take. */
export const cacheTypes = {
  f32: 4,
  f16: 2,
  bf16: 2,
  q8_0: 34 / 32,
  q5_1: 24 / 32,
  q5_0: 22 / 32,
  q4_1: 20 / 32,
  q4_0: 18 / 32,
  iq4_nl: 18 / 32,
} as const;
export type CacheType = keyof typeof cacheTypes;

export interface ModelSettings {
  /** Of all slots together (`-c`). */
  readonly contextTokens: number;
  /** Requests answered at a time (`-np`). */
  readonly slots: number;
  /** Slots share one cache, each up to all of the context (`-kvu`); else each has its part. */
  readonly isUnified: boolean;
  readonly keyType: CacheType;
  readonly valueType: CacheType;
  /** Tokens computed at a time (`-ub`). */
  readonly batchTokens: number;
  readonly flashAttention: boolean;
}

/** llama.cpp rounds caches up to so many tokens. */
const pad = (tokens: number): number => Math.ceil(tokens / 256) * 256;

const streams = ({ isUnified, slots }: ModelSettings): number => (isUnified ? 1 : slots);

/** Tokens of one slot's cache, of a layer that keeps all and of one that keeps a window. */
export function cachedTokens(
  keeps: 'all' | 'window',
  { window }: Pick<ModelDescription, 'window'>,
  settings: ModelSettings,
): number {
  const all = pad(Math.floor(pad(settings.contextTokens) / streams(settings)));
  if (keeps === 'all') return all;
  const windows = settings.isUnified ? settings.slots : 1;
  return Math.min(all, pad(window * windows + settings.batchTokens));
}

export function cacheBytes(layer: ModelLayer, model: ModelDescription, settings: ModelSettings): number {
  const { keeps, kvHeads } = layer;
  if (keeps === 'nothing') return 0;
  if (keeps === 'state') return model.stateValues * 4 * settings.slots;
  const tokens = cachedTokens(keeps, model, settings) * streams(settings);
  const { latent, keyLength, valueLength } = model;
  // Values are read from the compressed key.
  if (latent !== undefined) return tokens * (latent.rank + latent.rope) * cacheTypes[settings.keyType];
  const key = kvHeads * keyLength * cacheTypes[settings.keyType];
  const value = kvHeads * valueLength * cacheTypes[settings.valueType];
  return tokens * (key + value);
}
