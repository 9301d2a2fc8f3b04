/** A model so small that it fits anywhere, as its owner describes it to the grid. */
import type { ModelSpec } from '@gryphgen/protocol';

const KiB = 1024;

export function tinyModelSpec(over: Partial<ModelSpec> = {}): ModelSpec {
  const layer = { keeps: 'all', heads: 2, kvHeads: 1, feedForward: 64, forward: 'gated' } as const;
  return {
    name: 'tiny',
    use: 'infer',
    artifact: { digest: `sha256:${'0'.repeat(64)}`, bytes: 64 * KiB },
    file: '',
    description: {
      ...{ architecture: 'llama', name: 'tiny', quantization: 'F16', parameters: 30_000, contextTokens: 512 },
      ...{ vocabulary: 300, embedding: 32, keyLength: 16, valueLength: 16, window: 0, stateValues: 0 },
      layers: [{ ...layer, bytes: 16 * KiB }],
      ...{ inputBytes: 20 * KiB, outputBytes: 20 * KiB, tiedBytes: 0, isGenerative: true },
      ...{ hasChatTemplate: true, fileBytes: 64 * KiB },
    },
    serving: { slotTokens: 256, slots: 2, kvType: 'f16' },
    replicas: { min: 0, max: 1 },
    idleMs: 60_000,
    ...over,
  };
}
