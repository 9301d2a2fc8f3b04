/** The tokens of the tiny chat model: bytes, what is frequent in `trainingText`, and those of ChatML with tools. */
import { trainBytePairs } from './byte-pairs.ts';
import { bool, i32s, type Metadata, string, strings, u32 } from './gguf-header.ts';
import { chatTemplate, trainingText } from './training-text.ts';

const control = [
  '<|endoftext|>',
  '<|im_start|>',
  '<|im_end|>',
  '<|pad|>',
  '<|fim_prefix|>',
  '<|fim_middle|>',
  '<|fim_suffix|>',
];
/** As in Qwen: one token each, shown as text. */
const shown = ['<tools>', '</tools>', '<tool_call>', '</tool_call>', '<tool_response>', '</tool_response>'];

export interface Vocabulary {
  readonly tokens: readonly string[];
  /** Those of text come first, then control tokens, then those shown; unused ones fill up. */
  readonly textCount: number;
  readonly usedCount: number;
  readonly merges: readonly string[];
  readonly id: (token: string) => number;
  readonly textIds: readonly number[];
}

export function vocabularyOf(size: number): Vocabulary {
  const pairs = trainBytePairs(trainingText, Math.max(0, size - 256 - control.length - shown.length));
  const text = [...pairs.byteChars, ...pairs.merges.map((merge) => merge.replace(' ', ''))];
  const used = [...text, ...control, ...shown];
  const unused = Array.from(
    { length: Math.max(0, size - used.length) },
    (_, i) => `<|unused_${used.length + i}|>`,
  );
  const tokens = [...used, ...unused];
  const idOf = new Map(tokens.map((token, i) => [token, i]));
  return {
    tokens,
    textCount: text.length,
    usedCount: used.length,
    merges: pairs.merges,
    id: (token) => idOf.get(token)!,
    textIds: pairs.ids(idOf),
  };
}

export function tokenizerKeys({ tokens, textCount, usedCount, merges, id }: Vocabulary): Metadata {
  const typeOf = (token: number): number =>
    token < textCount ? 1 : token < textCount + control.length ? 3 : token < usedCount ? 4 : 5;
  const end = id('<|im_end|>');
  return {
    'tokenizer.ggml.model': string('gpt2'),
    'tokenizer.ggml.pre': string('gpt-2'),
    'tokenizer.ggml.tokens': strings(tokens),
    'tokenizer.ggml.token_type': i32s(tokens.map((_, token) => typeOf(token))),
    'tokenizer.ggml.merges': strings(merges),
    'tokenizer.ggml.bos_token_id': u32(id('<|endoftext|>')),
    'tokenizer.ggml.eos_token_id': u32(end),
    'tokenizer.ggml.eot_token_id': u32(end),
    'tokenizer.ggml.padding_token_id': u32(id('<|pad|>')),
    'tokenizer.ggml.fim_pre_token_id': u32(id('<|fim_prefix|>')),
    'tokenizer.ggml.fim_mid_token_id': u32(id('<|fim_middle|>')),
    'tokenizer.ggml.fim_suf_token_id': u32(id('<|fim_suffix|>')),
    'tokenizer.ggml.add_bos_token': bool(false),
    'tokenizer.chat_template': string(chatTemplate),
  };
}
