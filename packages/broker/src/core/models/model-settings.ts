/** How a model's server is started, as far as that decides what it takes of a machine. */
import { type ModelDescription, type Serving, usualMicroBatchTokens } from '@gryphgen/protocol';
import type { ModelSettings } from '@gryphgen/scheduler';

/** What a CUDA context takes of a device, as drivers of these years have it. */
export const deviceOverheadBytes = 512 * 1024 ** 2;

export interface Planned {
  readonly description: ModelDescription;
  readonly serving: Serving;
}

/** Of a model that embeds or ranks a text is one batch: no longer one is taken. */
export function settingsOf({ description, serving }: Planned): ModelSettings {
  const { slotTokens, slots, kvType, flashAttention = true } = serving;
  const { microBatchTokens: batchTokens = usualMicroBatchTokens } = serving;
  return {
    contextTokens: slotTokens * slots,
    slots,
    isUnified: false,
    keyType: kvType,
    valueType: kvType,
    batchTokens: description.isGenerative ? batchTokens : Math.max(batchTokens, slotTokens),
    flashAttention,
  };
}
