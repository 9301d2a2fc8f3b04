/** A model in a test, of which a layer takes what a test says. */
import type { ModelSpec } from '@gryphgen/protocol';

export const MiB = 1024 ** 2;

export function modelSpec(over: Partial<ModelSpec> = {}, layerMiB = 10): ModelSpec {
  const layer = { keeps: 'all', heads: 2, kvHeads: 1, feedForward: 64, forward: 'gated' } as const;
  return {
    name: 'tiny',
    use: 'infer',
    artifact: { digest: `sha256:${'1'.repeat(64)}`, bytes: 64 * MiB },
    file: '',
    description: {
      ...{ architecture: 'llama', name: 'tiny', quantization: 'F16', parameters: 30_000, contextTokens: 512 },
      ...{ vocabulary: 300, embedding: 32, keyLength: 16, valueLength: 16, window: 0, stateValues: 0 },
      layers: [1, 2].map(() => ({ ...layer, bytes: layerMiB * MiB })),
      ...{ inputBytes: MiB, outputBytes: MiB, tiedBytes: 0, isGenerative: true, hasChatTemplate: true },
      fileBytes: 64 * MiB,
    },
    serving: { slotTokens: 256, slots: 2, kvType: 'f16' },
    replicas: { min: 0, max: 1 },
    idleMs: 60_000,
    ...over,
  };
}
