/**
 * What computing one batch takes: the most that is alive at a time, on each device. llama.cpp reserves it for the largest
 * batch when the model is loaded. The sums are of the tensors that its graphs keep at the worst moment; how many rows of the
 * embedding's length there are beside them was found by asking it (docs/internals/model-memory.md).
 */
import type { ModelDescription, ModelLayer } from '@gryphgen/protocol';
import { cachedTokens, type ModelSettings } from './cache-memory.ts';

/** What one owner computes: a device, or the host, to which tokens come first. */
export interface Computed {
  readonly layers: readonly ModelLayer[];
  readonly hasOutput: boolean;
  readonly isHost: boolean;
  /** Has the first layer. */
  readonly isFirst: boolean;
  /** Several devices have all layers: llama.cpp computes batches on them in turns, each of which has inputs of its own. */
  readonly isPipelined: boolean;
}

const FLOAT = 4;
/** llama.cpp's GGML_SCHED_MAX_COPIES. */
const PIPELINED = 4;

export function computeBytes(model: ModelDescription, settings: ModelSettings, owner: Computed): number {
  const { layers, hasOutput, isHost, isPipelined } = owner;
  if (layers.length === 0 && !hasOutput && !isHost) return 0;
  const floats = settings.batchTokens * FLOAT;
  const row = model.embedding * floats;
  const copies = isPipelined ? PIPELINED : 1;
  const mask = maskBytes(isHost ? model.layers : layers, model, settings) * copies;
  const rows = rowsBeside(owner, model);
  const peaks = layers.map((layer) => mask + rows.layer * row + layerPeak(layer, model, settings) * floats);
  const input = isHost ? mask + rows.input * row + inputPeak(model, settings) * copies * floats : 0;
  const logits = hasOutput && model.isGenerative ? model.vocabulary * floats : 0;
  // By then nobody needs the mask, whose place is taken if it is large enough.
  const stays = mask < logits || isPipelined ? mask : 0;
  const output = logits === 0 ? 0 : logits + rows.output * row + (rows.output === 1 ? 0 : stays);
  return Math.max(input, output, ...peaks);
}

/** Rows of the embedding's length that are alive beside what is summed up here: measured. */
function rowsBeside(
  { isHost, isFirst, isPipelined }: Computed,
  { stateValues, isGenerative }: ModelDescription,
): { readonly layer: number; readonly input: number; readonly output: number } {
  if (isPipelined) {
    if (!isGenerative) return { layer: isFirst ? 19 : 7, input: 11, output: 0 };
    const [layer, output] = stateValues > 0 ? (isFirst ? [23, 23] : [26, 26]) : isFirst ? [16, 16] : [11, 9];
    return { layer, input: 10, output };
  }
  if (isHost) return { layer: 5, input: 4, output: 5 };
  return isFirst ? { layer: 4, input: 0, output: 4 } : { layer: 3, input: 0, output: 1 };
}

/** Which token sees which: one for the layers that keep all, one for those that keep a window. */
function maskBytes(layers: readonly ModelLayer[], model: ModelDescription, settings: ModelSettings): number {
  const value = settings.flashAttention ? 2 : FLOAT;
  const kinds = new Set(layers.map(({ keeps }) => keeps));
  let tokens = kinds.has('nothing') ? settings.batchTokens : 0;
  for (const keeps of ['all', 'window'] as const) {
    if (kinds.has(keeps)) tokens += cachedTokens(keeps, model, settings);
  }
  return tokens * settings.batchTokens * value;
}

/** Values per token, as all below. */
function inputPeak({ layers, keyLength }: ModelDescription, { flashAttention }: ModelSettings): number {
  const kvHeads = Math.max(...layers.map((layer) => layer.kvHeads));
  return flashAttention ? 0 : 2 * kvHeads * keyLength;
}

function layerPeak(layer: ModelLayer, model: ModelDescription, settings: ModelSettings): number {
  const past = layer.keeps === 'state' ? statePeak(model) : attentionPeak(layer, model, settings);
  return Math.max(past, forwardPeak(layer, model));
}

/** Gate, up and their product; then each expert's answer, and the same weighted. */
function forwardPeak({ forward, feedForward }: ModelLayer, { experts, embedding }: ModelDescription): number {
  if (forward === 'plain') return feedForward;
  if (forward === 'gated' || experts === undefined) return 3 * feedForward;
  const inner = experts.used * experts.feedForward;
  return Math.max(3 * inner, inner + 2 * (experts.used - 1) * embedding);
}

/** Five of the inner length, which llama.cpp holds to be twice the embedding's. */
function statePeak({ embedding }: ModelDescription): number {
  return 10 * embedding;
}

function attentionPeak(layer: ModelLayer, model: ModelDescription, settings: ModelSettings): number {
  const { heads, kvHeads, keeps } = layer;
  const { latent, keyLength, valueLength } = model;
  const seen =
    keeps === 'all' || keeps === 'window' ? cachedTokens(keeps, model, settings) : settings.batchTokens;
  const scores = settings.flashAttention ? 0 : heads * seen;
  if (latent !== undefined) return scores + heads * (latent.keyLength + 2 * (latent.rank + latent.rope));
  const queries = (settings.flashAttention ? 1 : 2) * heads * keyLength;
  return scores + queries + heads * valueLength + 2 * kvHeads * keyLength - 2 * model.embedding;
}
