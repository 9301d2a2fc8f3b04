/** The header of a model that embeds texts and keeps nothing of the past, as llama.cpp reads it: BERT. */
import { bool, f32, string, type Tensor, type TensorType, u32 } from './gguf-header.ts';
import type { Model } from './sparse-shapes.ts';

export interface EncoderSizes {
  readonly layers: number;
  readonly embedding: number;
  readonly vocabulary: number;
  readonly type: TensorType;
  readonly heads: number;
  readonly feedForward: number;
}

export function encoder(sizes: EncoderSizes, context = 512): Model {
  const { layers, embedding, vocabulary, type, heads, feedForward } = sizes;
  const linear = (name: string, from: number, to: number): Tensor[] => [
    { name: `${name}.weight`, type, dims: [from, to] },
    { name: `${name}.bias`, type: 'f32', dims: [to] },
  ];
  const norm = (name: string): Tensor[] => [
    { name: `${name}.weight`, type: 'f32', dims: [embedding] },
    { name: `${name}.bias`, type: 'f32', dims: [embedding] },
  ];
  const layer = (at: string): Tensor[] => [
    ...['attn_q', 'attn_k', 'attn_v', 'attn_output'].flatMap((name) =>
      linear(`${at}.${name}`, embedding, embedding),
    ),
    ...norm(`${at}.attn_output_norm`),
    ...linear(`${at}.ffn_up`, embedding, feedForward),
    ...linear(`${at}.ffn_down`, feedForward, embedding),
    ...norm(`${at}.layer_output_norm`),
  ];
  return {
    metadata: {
      'general.architecture': string('bert'),
      'bert.vocab_size': u32(vocabulary),
      'bert.context_length': u32(context),
      'bert.embedding_length': u32(embedding),
      'bert.block_count': u32(layers),
      'bert.feed_forward_length': u32(feedForward),
      'bert.attention.head_count': u32(heads),
      'bert.attention.layer_norm_epsilon': f32(1e-12),
      'bert.attention.causal': bool(false),
      'bert.pooling_type': u32(1),
      'tokenizer.ggml.model': string('no_vocab'),
      'tokenizer.ggml.token_type_count': u32(2),
    },
    tensors: [
      { name: 'token_embd.weight', type, dims: [embedding, vocabulary] },
      { name: 'position_embd.weight', type: 'f32', dims: [embedding, context] },
      { name: 'token_types.weight', type: 'f32', dims: [embedding, 2] },
      ...norm('token_embd_norm'),
      ...Array.from({ length: layers }, (_, i) => layer(`blk.${i}`)).flat(),
    ],
  };
}
