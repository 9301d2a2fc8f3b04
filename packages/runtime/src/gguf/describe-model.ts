/** From the headers of a model's files to what the grid plans with. Keys are those that llama.cpp reads. */
import {
  type ModelDescription,
  type ModelLayer,
  modelDescriptionSchema,
  modelLimits,
} from '@gryphgen/protocol';
import { GgufProblem } from './byte-cursor.ts';
import type { Metadata } from './metadata.ts';
import { fileTypes } from './quantization.ts';
import type { GgufTensor } from './read-header.ts';
import { windowPattern } from './window-pattern.ts';

export interface GgufModel {
  readonly metadata: Metadata;
  readonly tensors: readonly GgufTensor[];
  readonly fileBytes: number;
}

/** Throws a GgufProblem. */
export function describeModel({ metadata, tensors, fileBytes }: GgufModel): ModelDescription {
  const architecture = metadata.text('general.architecture');
  if (architecture === undefined) throw new GgufProblem('it has no general.architecture: is it a model?');
  const key = (name: string): string => `${architecture}.${name}`;
  const needed = (name: string): number => {
    const count = metadata.count(key(name));
    if (count === undefined) throw new GgufProblem(`it has no ${key(name)}`);
    return count;
  };
  const layerCount = needed('block_count');
  if (layerCount < 1 || layerCount > modelLimits.layers)
    throw new GgufProblem(`${key('block_count')} is ${layerCount}: 1 to ${modelLimits.layers} are allowed`);
  const embedding = needed('embedding_length');
  const weights = weightsOf(tensors, layerCount);
  const heads = metadata.perLayer(key('attention.head_count'), layerCount) ?? [];
  const mostHeads = Math.max(0, ...heads);
  const headLength = mostHeads === 0 ? 0 : Math.floor(embedding / mostHeads);
  const window = windowPattern(metadata, architecture, layerCount);
  const isGenerative = metadata.flag(key('attention.causal')) ?? true;
  const kvHeads = metadata.perLayer(key('attention.head_count_kv'), layerCount) ?? heads;
  const feedForward = metadata.perLayer(key('feed_forward_length'), layerCount) ?? [];
  const layers = weights.layers.map((layer, i): ModelLayer => {
    const attends = (kvHeads[i] ?? 0) > 0;
    const keeps = !isGenerative
      ? 'nothing'
      : layer.hasState
        ? 'state'
        : !attends
          ? 'nothing'
          : window.has(i)
            ? 'window'
            : 'all';
    // Some files have gate and up in one matrix.
    const isGated = layer.isGated || layer.upValues >= 2 * embedding * (feedForward[i] ?? 0);
    return {
      keeps,
      heads: heads[i] ?? 0,
      kvHeads: kvHeads[i] ?? 0,
      feedForward: feedForward[i] ?? 0,
      forward: layer.isSparse ? 'experts' : isGated ? 'gated' : 'plain',
      bytes: layer.bytes,
    };
  });
  const description: ModelDescription = {
    architecture,
    name: (metadata.text('general.name') ?? '').slice(0, 256),
    quantization: fileTypes.get(metadata.count('general.file_type') ?? -1) ?? '',
    parameters: tensors.reduce((sum, { values }) => sum + values, 0),
    contextTokens: needed('context_length'),
    vocabulary: metadata.length('tokenizer.ggml.tokens') ?? metadata.count(key('vocab_size')) ?? 0,
    embedding,
    keyLength: metadata.count(key('attention.key_length')) ?? headLength,
    valueLength: metadata.count(key('attention.value_length')) ?? headLength,
    window: window.tokens,
    layers,
    experts: expertsOf(metadata, architecture),
    latent: latentOf(metadata, architecture),
    stateValues: layers.some(({ keeps }) => keeps === 'state')
      ? stateValues(metadata, architecture, embedding)
      : 0,
    inputBytes: weights.inputBytes,
    outputBytes: weights.outputBytes,
    tiedBytes: isGenerative ? weights.tiedBytes : 0,
    isGenerative,
    hasChatTemplate: metadata.has('tokenizer.chat_template'),
    ...toolsOf(metadata),
    fileBytes,
  };
  const checked = modelDescriptionSchema.safeParse(description);
  if (checked.success) return checked.data;
  const [first] = checked.error.issues;
  throw new GgufProblem(`what it says is impossible: ${first?.path.join('.')}: ${first?.message}`);
}

/** A template for tools names what it is given of them; some files have one of its own for that. */
function toolsOf(metadata: Metadata): Pick<ModelDescription, 'takesTools'> {
  const template = metadata.text('tokenizer.chat_template');
  if (template === undefined) return {};
  const takesTools = metadata.has('tokenizer.chat_template.tool_use') || /\btools\b/.test(template);
  return { takesTools };
}

interface Weights {
  readonly layers: readonly {
    bytes: number;
    isSparse: boolean;
    upValues: number;
    isGated: boolean;
    hasState: boolean;
  }[];
  inputBytes: number;
  outputBytes: number;
  tiedBytes: number;
}

/** A layer of a file that names a higher one than it has is not planned for: llama.cpp refuses such a file. */
function weightsOf(tensors: readonly GgufTensor[], layerCount: number): Weights {
  const layers = Array.from({ length: layerCount }, () => ({
    bytes: 0,
    isSparse: false,
    upValues: 0,
    isGated: false,
    hasState: false,
  }));
  const weights: Weights = { layers, inputBytes: 0, outputBytes: 0, tiedBytes: 0 };
  for (const { name, bytes, values } of tensors) {
    const layer = /^blk\.([0-9]{1,4})\.(.+)/.exec(name);
    if (layer !== null) {
      const [, index, part = ''] = layer;
      const at = layers[Number(index)];
      if (at === undefined)
        throw new GgufProblem(`tensor ${name} is of a layer it does not have: it has ${layerCount}`);
      at.bytes += bytes;
      if (part.startsWith('ffn_gate_inp')) at.isSparse = true;
      if (part === 'ffn_gate.weight') at.isGated = true;
      if (part === 'ffn_up.weight') at.upValues = values;
      if (/^(ssm_|shortconv|time_mix_)/.test(part)) at.hasState = true;
    } else if (/^(output|cls)/.test(name)) weights.outputBytes += bytes;
    else weights.inputBytes += bytes;
  }
  const isOwn = tensors.some(({ name }) => name === 'output.weight');
  weights.tiedBytes = isOwn ? 0 : (tensors.find(({ name }) => name === 'token_embd.weight')?.bytes ?? 0);
  return weights;
}

function expertsOf(metadata: Metadata, architecture: string): ModelDescription['experts'] {
  const count = metadata.count(`${architecture}.expert_count`) ?? 0;
  if (count === 0) return undefined;
  const own = metadata.count(`${architecture}.expert_feed_forward_length`);
  return {
    count,
    used: metadata.count(`${architecture}.expert_used_count`) ?? 1,
    feedForward: own ?? metadata.perLayer(`${architecture}.feed_forward_length`, 1)?.[0] ?? 0,
    shared: metadata.count(`${architecture}.expert_shared_count`) ?? 0,
  };
}

/** Files from before it was kept compressed have no such lengths: they keep keys and values of each head. */
function latentOf(metadata: Metadata, architecture: string): ModelDescription['latent'] {
  const attention = `${architecture}.attention`;
  const keyLength = metadata.count(`${attention}.key_length_mla`) ?? 0;
  const rank = metadata.count(`${attention}.kv_lora_rank`) ?? 0;
  if (keyLength === 0 || rank === 0) return undefined;
  return {
    rank,
    rope: metadata.count(`${architecture}.rope.dimension_count`) ?? 0,
    keyLength,
    valueLength: metadata.count(`${attention}.value_length_mla`) ?? keyLength,
  };
}

function stateValues(metadata: Metadata, architecture: string, embedding: number): number {
  const count = (name: string): number => metadata.count(`${architecture}.${name}`) ?? 0;
  const headSize = count('wkv.head_size');
  if (headSize > 0)
    return embedding * ((metadata.count(`${architecture}.token_shift_count`) ?? 2) + headSize);
  const kept = count('shortconv.l_cache');
  if (kept > 0) return embedding * (kept - 1);
  const inner = count('ssm.inner_size');
  const size = count('ssm.state_size');
  const convolved = Math.max(0, count('ssm.conv_kernel') - 1) * (inner + 2 * count('ssm.group_count') * size);
  return convolved + size * inner;
}
