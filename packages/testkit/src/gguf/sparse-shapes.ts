/**
 * Headers of models as llama.cpp reads them, without weights: what a model's memory is planned from. Each shape is one
 * architecture family; sizes are free.
 */
import { bool, f32, type Metadata, string, type Tensor, type TensorType, u32 } from './gguf-header.ts';

export interface Model {
  readonly metadata: Metadata;
  readonly tensors: readonly Tensor[];
}

export interface Sizes {
  readonly layers: number;
  readonly embedding: number;
  readonly vocabulary: number;
  /** Of the matrices; norms and the like are f32. */
  readonly type: TensorType;
  /** Of token_embd and output, when it differs. */
  readonly endType?: TensorType;
  /** Without an output matrix of its own. */
  readonly tied?: boolean;
}

export interface Attention {
  readonly heads: number;
  readonly kvHeads: number;
  /** Of a head; embedding / heads unless told. */
  readonly headLength?: number;
}

export interface Experts {
  readonly count: number;
  readonly used: number;
  readonly feedForward: number;
}

export interface DenseSizes extends Sizes, Attention {
  readonly feedForward: number;
}

export const tensor = (name: string, type: TensorType, ...dims: number[]): Tensor => ({
  name: `${name}.weight`,
  type,
  dims,
});

/** No tokens are listed, only counted: a vocabulary would be most of the file. */
export function base(architecture: string, sizes: Sizes, context: number): Metadata {
  return {
    'general.architecture': string(architecture),
    'general.name': string(`sparse ${architecture}`),
    [`${architecture}.vocab_size`]: u32(sizes.vocabulary),
    [`${architecture}.context_length`]: u32(context),
    [`${architecture}.embedding_length`]: u32(sizes.embedding),
    [`${architecture}.block_count`]: u32(sizes.layers),
    [`${architecture}.attention.layer_norm_rms_epsilon`]: f32(1e-5),
    'tokenizer.ggml.model': string('no_vocab'),
  };
}

export function ends({ embedding, vocabulary, type, endType = type, tied }: Sizes): Tensor[] {
  return [
    tensor('token_embd', endType, embedding, vocabulary),
    tensor('output_norm', 'f32', embedding),
    ...(tied ? [] : [tensor('output', endType, embedding, vocabulary)]),
  ];
}

function attentionKeys(architecture: string, { heads, kvHeads, headLength }: Attention): Metadata {
  return {
    [`${architecture}.attention.head_count`]: u32(heads),
    [`${architecture}.attention.head_count_kv`]: u32(kvHeads),
    ...(headLength === undefined
      ? {}
      : {
          [`${architecture}.attention.key_length`]: u32(headLength),
          [`${architecture}.attention.value_length`]: u32(headLength),
        }),
  };
}

export function attentionTensors(layer: number, sizes: Sizes & Attention): Tensor[] {
  const { embedding, type, heads, kvHeads, headLength = embedding / heads } = sizes;
  return [
    tensor(`blk.${layer}.attn_norm`, 'f32', embedding),
    tensor(`blk.${layer}.attn_q`, type, embedding, heads * headLength),
    tensor(`blk.${layer}.attn_k`, type, embedding, kvHeads * headLength),
    tensor(`blk.${layer}.attn_v`, type, embedding, kvHeads * headLength),
    tensor(`blk.${layer}.attn_output`, type, heads * headLength, embedding),
  ];
}

export function feedForwardTensors(layer: number, { embedding, type }: Sizes, feedForward: number): Tensor[] {
  return [
    tensor(`blk.${layer}.ffn_norm`, 'f32', embedding),
    tensor(`blk.${layer}.ffn_gate`, type, embedding, feedForward),
    tensor(`blk.${layer}.ffn_up`, type, embedding, feedForward),
    tensor(`blk.${layer}.ffn_down`, type, feedForward, embedding),
  ];
}

function expertTensors(layer: number, { embedding, type }: Sizes, { count, feedForward }: Experts): Tensor[] {
  return [
    tensor(`blk.${layer}.ffn_norm`, 'f32', embedding),
    tensor(`blk.${layer}.ffn_gate_inp`, 'f32', embedding, count),
    tensor(`blk.${layer}.ffn_gate_exps`, type, embedding, feedForward, count),
    tensor(`blk.${layer}.ffn_up_exps`, type, embedding, feedForward, count),
    tensor(`blk.${layer}.ffn_down_exps`, type, feedForward, embedding, count),
  ];
}

export const layersOf = (sizes: Sizes, make: (layer: number) => Tensor[]): Tensor[] =>
  Array.from({ length: sizes.layers }, (_, layer) => make(layer)).flat();

/** Full attention in every layer: Llama, Mistral and their like. */
export function dense(sizes: DenseSizes, context = 131_072): Model {
  return {
    metadata: {
      ...base('llama', sizes, context),
      ...attentionKeys('llama', sizes),
      'llama.feed_forward_length': u32(sizes.feedForward),
      'llama.rope.dimension_count': u32(sizes.headLength ?? sizes.embedding / sizes.heads),
    },
    tensors: [
      ...ends(sizes),
      ...layersOf(sizes, (layer) => [
        ...attentionTensors(layer, sizes),
        ...feedForwardTensors(layer, sizes, sizes.feedForward),
      ]),
    ],
  };
}

/** Mixture of experts: Mixtral's shape. */
export function experts(sizes: Sizes & Attention & { readonly experts: Experts }, context = 131_072): Model {
  return {
    metadata: {
      ...base('llama', sizes, context),
      ...attentionKeys('llama', sizes),
      'llama.feed_forward_length': u32(sizes.experts.feedForward),
      'llama.expert_count': u32(sizes.experts.count),
      'llama.expert_used_count': u32(sizes.experts.used),
      'llama.rope.dimension_count': u32(sizes.headLength ?? sizes.embedding / sizes.heads),
    },
    tensors: [
      ...ends(sizes),
      ...layersOf(sizes, (layer) => [
        ...attentionTensors(layer, sizes),
        ...expertTensors(layer, sizes, sizes.experts),
      ]),
    ],
  };
}

/** A sliding window in most layers: Gemma 3, where one layer of six sees everything, or Gemma 2, where one of two does. */
export function windowed(
  sizes: DenseSizes & { readonly headLength: number; readonly window: number },
  architecture: 'gemma2' | 'gemma3' = 'gemma3',
  context = 131_072,
): Model {
  const { embedding, headLength } = sizes;
  return {
    metadata: {
      ...base(architecture, sizes, context),
      ...attentionKeys(architecture, sizes),
      [`${architecture}.feed_forward_length`]: u32(sizes.feedForward),
      [`${architecture}.attention.sliding_window`]: u32(sizes.window),
    },
    tensors: [
      ...ends(sizes),
      ...layersOf(sizes, (layer) => [
        ...attentionTensors(layer, sizes),
        ...(architecture === 'gemma2'
          ? []
          : [
              tensor(`blk.${layer}.attn_q_norm`, 'f32', headLength),
              tensor(`blk.${layer}.attn_k_norm`, 'f32', headLength),
            ]),
        tensor(`blk.${layer}.post_attention_norm`, 'f32', embedding),
        ...feedForwardTensors(layer, sizes, sizes.feedForward),
        tensor(`blk.${layer}.post_ffw_norm`, 'f32', embedding),
      ]),
    ],
  };
}

export interface LatentSizes extends Sizes {
  readonly heads: number;
  readonly feedForward: number;
  /** The first so many layers are dense. */
  readonly denseLayers: number;
  readonly experts: Experts & { readonly shared: number };
  readonly queryRank: number;
  readonly latent: number;
  readonly ropeLength: number;
  readonly headLength: number;
}

/** Multi-head latent attention and experts: DeepSeek 2 and 3. */
export function latent(sizes: LatentSizes, context = 131_072): Model {
  const { embedding, type, heads, queryRank, latent: rank, ropeLength, headLength, experts: of } = sizes;
  const keys = headLength + ropeLength;
  return {
    metadata: {
      ...base('deepseek2', sizes, context),
      'deepseek2.attention.head_count': u32(heads),
      'deepseek2.attention.head_count_kv': u32(1),
      'deepseek2.attention.q_lora_rank': u32(queryRank),
      'deepseek2.attention.kv_lora_rank': u32(rank),
      'deepseek2.attention.key_length': u32(rank + ropeLength),
      'deepseek2.attention.value_length': u32(rank),
      'deepseek2.attention.key_length_mla': u32(keys),
      'deepseek2.attention.value_length_mla': u32(headLength),
      'deepseek2.rope.dimension_count': u32(ropeLength),
      'deepseek2.feed_forward_length': u32(sizes.feedForward),
      'deepseek2.leading_dense_block_count': u32(sizes.denseLayers),
      'deepseek2.expert_count': u32(of.count),
      'deepseek2.expert_used_count': u32(of.used),
      'deepseek2.expert_shared_count': u32(of.shared),
      'deepseek2.expert_feed_forward_length': u32(of.feedForward),
      'deepseek2.expert_weights_scale': f32(1),
      'deepseek2.expert_weights_norm': bool(true),
      'deepseek2.expert_gating_func': u32(2),
    },
    tensors: [
      ...ends(sizes),
      ...layersOf(sizes, (layer) => [
        tensor(`blk.${layer}.attn_norm`, 'f32', embedding),
        tensor(`blk.${layer}.attn_q_a_norm`, 'f32', queryRank),
        tensor(`blk.${layer}.attn_kv_a_norm`, 'f32', rank),
        tensor(`blk.${layer}.attn_q_a`, type, embedding, queryRank),
        tensor(`blk.${layer}.attn_q_b`, type, queryRank, heads * keys),
        tensor(`blk.${layer}.attn_kv_a_mqa`, type, embedding, rank + ropeLength),
        tensor(`blk.${layer}.attn_k_b`, 'f16', headLength, rank, heads),
        tensor(`blk.${layer}.attn_v_b`, 'f16', rank, headLength, heads),
        tensor(`blk.${layer}.attn_output`, type, heads * headLength, embedding),
        ...(layer < sizes.denseLayers
          ? feedForwardTensors(layer, sizes, sizes.feedForward)
          : [
              ...expertTensors(layer, sizes, of),
              tensor(`blk.${layer}.ffn_gate_shexp`, type, embedding, of.feedForward * of.shared),
              tensor(`blk.${layer}.ffn_up_shexp`, type, embedding, of.feedForward * of.shared),
              tensor(`blk.${layer}.ffn_down_shexp`, type, of.feedForward * of.shared, embedding),
            ]),
      ]),
    ],
  };
}
