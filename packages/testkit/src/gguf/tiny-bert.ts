/**
 * A model of a megabyte that embeds texts, or ranks them (one output): made-up weights that come near a random projection of a
 * text's words, so that texts which share words are nearer to each other.
 */
import { bool, f32, i32s, type Metadata, string, strings, type TensorType, u32 } from './gguf-header.ts';
import { type Numbers, seededNumbers } from './seeded-numbers.ts';
import type { TinyModel, TinySizes } from './tiny-llama.ts';
import { trainingText } from './training-text.ts';
import type { FilledTensor } from './write-gguf.ts';

const HEADS = 4;
const special = ['[PAD]', '[UNK]', '[CLS]', '[SEP]', '[MASK]'];
const endings = 'ing ed er es ly tion ment ness al en th an on re in st at or it le'.split(' ');

export function tinyBert(kind: 'embed' | 'rerank', options: Omit<TinySizes, 'endBias'> = {}): TinyModel {
  const {
    embedding = 128,
    layers = 2,
    feedForward = 256,
    vocabulary = 512,
    context = 512,
    seed = 1,
  } = options;
  const tokens = wordPieces(vocabulary);
  const sizes = { embedding, layers, feedForward, context };
  return {
    metadata: keysOf(kind, sizes, tokens),
    tensors: tensorsOf(kind, sizes, tokens, seededNumbers(seed)),
  };
}

interface Sizes {
  readonly embedding: number;
  readonly layers: number;
  readonly feedForward: number;
  readonly context: number;
}

/** GGUF's WordPiece marks the start of a word with U+2581; what continues one stands bare. */
function wordPieces(size: number): readonly string[] {
  const printing = Array.from({ length: 94 }, (_, i) => String.fromCharCode(33 + i)).filter(
    (char) => !/[A-Z]/.test(char),
  );
  const words = trainingText.toLowerCase().match(/[a-z]+/g) ?? [];
  const pieces = [
    ...printing.map((char) => `\u2581${char}`),
    ...'abcdefghijklmnopqrstuvwxyz0123456789',
    ...words.map((word) => `\u2581${word}`),
    ...endings,
  ];
  const used = [...special, ...new Set(pieces)].slice(0, size);
  const unused = Array.from({ length: size - used.length }, (_, i) => `[unused${used.length + i}]`);
  return [...used, ...unused];
}

function tensorsOf(
  kind: 'embed' | 'rerank',
  sizes: Sizes,
  tokens: readonly string[],
  numbers: Numbers,
): readonly FilledTensor[] {
  const { embedding, layers, feedForward, context } = sizes;
  const matrix = (
    name: string,
    type: TensorType & ('f16' | 'f32'),
    from: number,
    to: number,
    scale: number,
  ): FilledTensor => {
    const own = seededNumbers(numbers.u32());
    return { name, dims: [from, to], type, values: () => own.fill(from * to, scale) };
  };
  const constant = (name: string, length: number, value: number): FilledTensor => ({
    name,
    dims: [length],
    type: 'f32',
    values: () => new Float32Array(length).fill(value),
  });
  const linear = (name: string, from: number, to: number, scale: number): FilledTensor[] => [
    matrix(`${name}.weight`, 'f16', from, to, scale / Math.sqrt(from)),
    constant(`${name}.bias`, to, 0),
  ];
  const norm = (name: string): FilledTensor[] => [
    constant(`${name}.weight`, embedding, 1),
    constant(`${name}.bias`, embedding, 0),
  ];
  const ranks = kind === 'rerank';
  const layer = (at: string): FilledTensor[] => [
    ...linear(`${at}.attn_q`, embedding, embedding, 1),
    ...linear(`${at}.attn_k`, embedding, embedding, 1),
    ...linear(`${at}.attn_v`, embedding, embedding, 1),
    ...linear(`${at}.attn_output`, embedding, embedding, ranks ? 1 : 0.15),
    ...norm(`${at}.attn_output_norm`),
    ...linear(`${at}.ffn_up`, embedding, feedForward, 1),
    ...linear(`${at}.ffn_down`, feedForward, embedding, ranks ? 0.5 : 0.1),
    ...norm(`${at}.layer_output_norm`),
  ];
  const words = numbers.fill(tokens.length * embedding, 1);
  // [PAD], [CLS] and [SEP] say little.
  for (const token of [0, 2, 3]) for (let d = 0; d < embedding; d++) words[token * embedding + d]! *= 0.05;
  return [
    { name: 'token_embd.weight', dims: [embedding, tokens.length], type: 'f16', values: () => words },
    matrix('position_embd.weight', 'f16', embedding, context, 0.02),
    matrix('token_types.weight', 'f32', embedding, 2, 0.02),
    ...norm('token_embd_norm'),
    ...Array.from({ length: layers }, (_, l) => layer(`blk.${l}`)).flat(),
    ...(ranks ? [...linear('cls', embedding, embedding, 1), ...linear('cls.output', embedding, 1, 1)] : []),
  ];
}

function keysOf(kind: 'embed' | 'rerank', sizes: Sizes, tokens: readonly string[]): Metadata {
  const typeOf = (token: string, i: number): number =>
    i === 1 ? 2 : i < special.length ? 3 : token.startsWith('[unused') ? 5 : 1;
  return {
    'general.architecture': string('bert'),
    'general.type': string('model'),
    'general.name': string(`tiny-${kind}`),
    'general.file_type': u32(1),
    'general.quantization_version': u32(2),
    'bert.vocab_size': u32(tokens.length),
    'bert.context_length': u32(sizes.context),
    'bert.embedding_length': u32(sizes.embedding),
    'bert.block_count': u32(sizes.layers),
    'bert.feed_forward_length': u32(sizes.feedForward),
    'bert.attention.head_count': u32(HEADS),
    'bert.attention.layer_norm_epsilon': f32(1e-12),
    'bert.attention.causal': bool(false),
    'bert.pooling_type': u32(kind === 'rerank' ? 4 : 1),
    ...(kind === 'rerank' ? { 'bert.classifier.output_labels': strings(['relevance']) } : {}),
    'tokenizer.ggml.model': string('bert'),
    'tokenizer.ggml.pre': string('default'),
    'tokenizer.ggml.token_type_count': u32(2),
    'tokenizer.ggml.tokens': strings(tokens),
    'tokenizer.ggml.token_type': i32s(tokens.map(typeOf)),
    'tokenizer.ggml.padding_token_id': u32(0),
    'tokenizer.ggml.unknown_token_id': u32(1),
    'tokenizer.ggml.bos_token_id': u32(2),
    'tokenizer.ggml.cls_token_id': u32(2),
    'tokenizer.ggml.eos_token_id': u32(3),
    'tokenizer.ggml.seperator_token_id': u32(3),
    'tokenizer.ggml.mask_token_id': u32(4),
  };
}
