/** A model and settings, for this folder's tests. */
import type { ModelDescription, ModelLayer } from '@gryphgen/protocol';
import type { ModelSettings } from './cache-memory.ts';

const MiB = 1024 ** 2;

export function layer(changes: Partial<ModelLayer> = {}): ModelLayer {
  return {
    keeps: 'all',
    heads: 32,
    kvHeads: 8,
    feedForward: 14_336,
    forward: 'gated',
    bytes: 120 * MiB,
    ...changes,
  };
}

/** Llama 3 8B at Q4_K_M, nearly. */
export function model(changes: Partial<ModelDescription> = {}): ModelDescription {
  return {
    architecture: 'llama',
    name: 'test',
    quantization: 'Q4_K_M',
    parameters: 8e9,
    contextTokens: 131_072,
    vocabulary: 128_256,
    embedding: 4096,
    keyLength: 128,
    valueLength: 128,
    window: 0,
    layers: Array.from({ length: 32 }, () => layer()),
    stateValues: 0,
    inputBytes: 280 * MiB,
    outputBytes: 410 * MiB,
    tiedBytes: 0,
    isGenerative: true,
    hasChatTemplate: true,
    fileBytes: 4530 * MiB,
    ...changes,
  };
}

export function settings(changes: Partial<ModelSettings> = {}): ModelSettings {
  return {
    contextTokens: 8192,
    slots: 1,
    isUnified: false,
    keyType: 'f16',
    valueType: 'f16',
    batchTokens: 512,
    flashAttention: true,
    ...changes,
  };
}
