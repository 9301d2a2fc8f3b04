/**
 * A chat model of a megabyte with weights that are made up, and answers that are not noise: embeddings are random, and the output
 * matrix knows which token followed which in `trainingText`. So it says whole words in valid UTF-8, differently for
 * different prompts and always the same for the same, and comes to an end by itself.
 *
 * The residual stream: place 0 is the same for every token, a bias. A flag has three places, [key, out, value]: one head of
 * layer 0 looks for a token that carries the key, and copies its value to out. The rest is random.
 *
 * 1. tools: on when <tools> was seen, makes <tool_call> the likely start of an answer; a <tool_response> turns it off.
 * 2. json: on when a { was seen, makes closing quotes and brackets likely, so that constrained JSON comes to an end.
 */
import { f32, type Metadata, string, u32 } from './gguf-header.ts';
import { type Numbers, seededNumbers } from './seeded-numbers.ts';
import { outputOf, RESERVED, type TinyShape } from './tiny-output.ts';
import { tokenizerKeys, type Vocabulary, vocabularyOf } from './tiny-vocabulary.ts';
import type { FilledTensor } from './write-gguf.ts';

export interface TinyModel {
  readonly metadata: Metadata;
  readonly tensors: readonly FilledTensor[];
}

export interface TinySizes {
  readonly embedding?: number;
  readonly layers?: number;
  readonly feedForward?: number;
  readonly vocabulary?: number;
  readonly context?: number;
  readonly seed?: number;
  /** How readily it comes to an end. */
  readonly endBias?: number;
  /** Tokens that it writes wherever it may, the first before the others: what it says under a grammar is known beforehand. */
  readonly favours?: readonly string[];
}

const HEADS = 4;
const KV_HEADS = 2;
interface Flag {
  readonly key: number;
  readonly out: number;
  readonly value: number;
  /** [token, its key, its value] */
  readonly carriers: readonly (readonly [number, number, number])[];
}

export function tinyLlama(options: TinySizes = {}): TinyModel {
  const { embedding = 128, layers = 2, feedForward = 256, vocabulary = 640, context = 4096 } = options;
  const { seed = 1, endBias = 1.5, favours = [] } = options;
  if (embedding % (2 * HEADS) !== 0 || embedding < 16 * HEADS)
    throw new Error(
      `an embedding of ${embedding}: a multiple of ${2 * HEADS}, at least ${16 * HEADS}, is needed`,
    );
  const sizes = {
    ...{ embedding, layers, feedForward, seed, endBias, favours },
    headLength: embedding / HEADS,
    constant: Math.sqrt(embedding / 2),
  };
  const words = vocabularyOf(vocabulary);
  return {
    metadata: { ...shapeKeys(sizes, words, context), ...tokenizerKeys(words) },
    tensors: tensorsOf(sizes, words),
  };
}

function flagsOf({ id }: Vocabulary): readonly Flag[] {
  const off = [id('<tool_response>'), 3, -1] as const;
  return [
    { key: 1, out: 2, value: 3, carriers: [[id('<tools>'), 1, 1], off] },
    { key: 4, out: 5, value: 6, carriers: [[id('{'), 1, 1], off] },
  ];
}

function tensorsOf(sizes: TinyShape, words: Vocabulary): readonly FilledTensor[] {
  const { embedding, layers, feedForward, headLength, seed } = sizes;
  const numbers = seededNumbers(seed);
  const flags = flagsOf(words);
  const embeddings = embeddingsOf(numbers, sizes, words, flags);
  const matrix = (
    name: string,
    from: number,
    to: number,
    scale: number,
    edit?: (values: Float32Array) => void,
  ): FilledTensor => {
    const own = seededNumbers(numbers.u32());
    const values = (): Float32Array => {
      const made = own.fill(from * to, scale / Math.sqrt(from));
      edit?.(made);
      return made;
    };
    return { name, dims: [from, to], type: 'f16', values };
  };
  const norm = (name: string): FilledTensor => ({
    name,
    dims: [embedding],
    type: 'f32',
    values: () => new Float32Array(embedding).fill(1),
  });
  /** Writes to none of the reserved places. */
  const clear = (from: number) => (values: Float32Array) => void values.fill(0, 0, RESERVED * from);
  const flagged = (layer: number, what: 'q' | 'k' | 'v' | 'o') => (values: Float32Array) => {
    if (what === 'o') clear(HEADS * headLength)(values);
    if (layer === 0) for (const [head, flag] of flags.entries()) writeFlag(values, what, flag, head, sizes);
  };
  const blocks = Array.from({ length: layers }, (_, l) => [
    norm(`blk.${l}.attn_norm.weight`),
    matrix(`blk.${l}.attn_q.weight`, embedding, HEADS * headLength, 1, flagged(l, 'q')),
    matrix(`blk.${l}.attn_k.weight`, embedding, KV_HEADS * headLength, 1, flagged(l, 'k')),
    matrix(`blk.${l}.attn_v.weight`, embedding, KV_HEADS * headLength, 1, flagged(l, 'v')),
    matrix(
      `blk.${l}.attn_output.weight`,
      HEADS * headLength,
      embedding,
      0.5 / Math.sqrt(layers),
      flagged(l, 'o'),
    ),
    norm(`blk.${l}.ffn_norm.weight`),
    matrix(`blk.${l}.ffn_gate.weight`, embedding, feedForward, 1),
    matrix(`blk.${l}.ffn_up.weight`, embedding, feedForward, 1),
    matrix(`blk.${l}.ffn_down.weight`, feedForward, embedding, 0.4 / Math.sqrt(layers), clear(feedForward)),
  ]);
  const dims = [embedding, words.tokens.length];
  return [
    { name: 'token_embd.weight', dims, type: 'f16', values: () => embeddings },
    ...blocks.flat(),
    norm('output_norm.weight'),
    { name: 'output.weight', dims, type: 'f16', values: () => outputOf(sizes, words, embeddings) },
  ];
}

function embeddingsOf(
  numbers: Numbers,
  { embedding, constant }: TinyShape,
  words: Vocabulary,
  flags: readonly Flag[],
): Float32Array {
  const values = numbers.fill(words.tokens.length * embedding, 1);
  for (let token = 0; token < words.tokens.length; token++) {
    values.fill(0, token * embedding, token * embedding + RESERVED);
    values[token * embedding] = constant;
  }
  for (const flag of flags) {
    for (const [token, key, value] of flag.carriers) {
      values[token * embedding + flag.key] = key * constant;
      values[token * embedding + flag.value] = value * constant;
    }
  }
  return values;
}

/** A flag lives in a kv head and the first of its query heads, in RoPE's slowest pair, so that distance hardly matters. */
function writeFlag(
  values: Float32Array,
  what: 'q' | 'k' | 'v' | 'o',
  flag: Flag,
  head: number,
  sizes: TinyShape,
): void {
  const { embedding, headLength } = sizes;
  const group = HEADS / KV_HEADS;
  const sharp = 2.2;
  const pair = headLength - 2;
  const clearRow = (row: number): void => void values.fill(0, row * embedding, (row + 1) * embedding);
  if (what === 'q') {
    for (let d = 0; d < headLength; d++) clearRow(head * group * headLength + d);
    for (let g = 0; g < group; g++) {
      clearRow((head * group + g) * headLength + pair);
      clearRow((head * group + g) * headLength + pair + 1);
    }
    values[(head * group * headLength + pair) * embedding] = sharp;
  } else if (what === 'k') {
    clearRow(head * headLength + pair);
    clearRow(head * headLength + pair + 1);
    values[(head * headLength + pair) * embedding + flag.key] = sharp;
  } else if (what === 'v') {
    clearRow(head * headLength);
    values[head * headLength * embedding + flag.value] = 1;
  } else {
    const width = HEADS * headLength;
    for (let e = 0; e < embedding; e++) {
      const at = e * width + head * group * headLength;
      values.fill(0, at, at + headLength);
      for (let g = 0; g < group; g++) values[at + g * headLength] = 0;
    }
    values[flag.out * width + head * group * headLength] = 1.4;
  }
}

function shapeKeys(
  { embedding, layers, feedForward, headLength }: TinyShape,
  { tokens }: Vocabulary,
  context: number,
): Metadata {
  return {
    'general.architecture': string('llama'),
    'general.type': string('model'),
    'general.name': string('tiny-llama'),
    'general.file_type': u32(1),
    'general.quantization_version': u32(2),
    'llama.vocab_size': u32(tokens.length),
    'llama.context_length': u32(context),
    'llama.embedding_length': u32(embedding),
    'llama.block_count': u32(layers),
    'llama.feed_forward_length': u32(feedForward),
    'llama.attention.head_count': u32(HEADS),
    'llama.attention.head_count_kv': u32(KV_HEADS),
    'llama.attention.layer_norm_rms_epsilon': f32(1e-5),
    'llama.rope.dimension_count': u32(headLength),
    'llama.rope.freq_base': f32(10_000),
  };
}
