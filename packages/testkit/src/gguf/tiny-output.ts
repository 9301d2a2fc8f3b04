/** The output matrix of the tiny chat model: which token follows which, as an associative memory. */
import { seededNumbers } from './seeded-numbers.ts';
import type { Vocabulary } from './tiny-vocabulary.ts';

/** Places of the residual stream that mean something. */
export const RESERVED = 7;

/** In logits: beyond what anything else comes to. */
const favouredBias = 150;
const favouredStep = 10;

export interface TinyShape {
  readonly embedding: number;
  readonly layers: number;
  readonly feedForward: number;
  readonly headLength: number;
  readonly seed: number;
  readonly endBias: number;
  readonly favours: readonly string[];
  /** Place 0 of each embedding. */
  readonly constant: number;
}

export function outputOf(
  { embedding, seed, endBias, favours, constant }: TinyShape,
  words: Vocabulary,
  embeddings: Float32Array,
): Float32Array {
  const { tokens, textCount, id, textIds } = words;
  const values = new Float32Array(tokens.length * embedding);
  const numbers = seededNumbers(seed + 1);
  const seen = new Float64Array(tokens.length);
  const follows = new Map<number, number>();
  textIds.forEach((token, i) => {
    seen[token]! += 1;
    if (i === 0) return;
    const pair = textIds[i - 1]! * tokens.length + token;
    follows.set(pair, (follows.get(pair) ?? 0) + 1);
  });
  /** A pair that was seen is worth about 6 in logits. */
  const gain = 6 / (embedding * 0.8);
  const link = (previous: number, next: number, strength: number): void => {
    for (let d = RESERVED; d < embedding; d++)
      values[next * embedding + d]! += strength * gain * embeddings[previous * embedding + d]!;
  };
  for (let token = 0; token < tokens.length; token++) {
    for (let d = RESERVED; d < embedding; d++)
      values[token * embedding + d] = (numbers.normal() * 0.6) / Math.sqrt(embedding);
  }
  for (const [pair, times] of follows)
    link(Math.floor(pair / tokens.length), pair % tokens.length, Math.min(1.3, 1 + 0.1 * (times - 1)));
  /** What place 0 is after an RMS norm. */
  const unit = constant / Math.sqrt((constant * constant + embedding - RESERVED) / embedding);
  const end = id('<|im_end|>');
  const newline = 10;
  const closing = new Map([
    ['"', 17],
    ['}', 16],
    [']', 15],
    [',', -3],
  ]);
  const only = (token: number): void => void values.fill(0, token * embedding, (token + 1) * embedding);
  for (let token = 0; token < tokens.length; token++) {
    const at = token * embedding;
    let bias = token < textCount && seen[token]! > 0 ? 0 : -9;
    const isNoText = token < 256 && (token < 32 || token > 126) && token !== newline;
    if (token >= textCount || isNoText) bias = -30;
    if (token === end) {
      bias = endBias;
      only(token);
      link(id('.'), end, 0.8);
      link(id('?'), end, 0.8);
      link(id('</tool_call>'), end, 4);
    } else if (token === newline) {
      link(id('<tool_call>'), newline, 4);
    } else if (token === id('<tool_call>')) {
      bias = -14;
      only(token);
      link(newline, token, 2.2);
      values[at + 2] = 17 / unit;
    } else if (token === id('</tool_call>')) {
      bias = -20;
      only(token);
      link(id('}'), token, 3);
      link(newline, token, 1);
      values[at + 2] = 14 / unit;
    }
    const closes = closing.get(tokens[token]!);
    if (closes !== undefined) values[at + 5] = closes / unit;
    if (token === 32) bias -= 4;
    values[at] = bias / unit;
  }
  for (const [place, text] of favours.entries()) {
    const token = id(text);
    only(token);
    values[token * embedding] = (favouredBias - place * favouredStep) / unit;
  }
  return values;
}
