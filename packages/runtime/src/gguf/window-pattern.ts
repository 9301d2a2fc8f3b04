/**
 * Which layers see the last tokens alone. llama.cpp has it in the code of each architecture; a file may have a key. An
 * architecture that is not known here counts as seeing everything: more memory is planned than it takes, never less.
 */
import type { Metadata } from './metadata.ts';

/** One layer of so many sees everything: the last of them, or the first. */
const periods: ReadonlyMap<string, { readonly period: number; readonly first?: true }> = new Map([
  ['gemma2', { period: 2 }],
  ['gemma3', { period: 6 }],
  ['gemma3n', { period: 5 }],
  ['cohere2', { period: 4 }],
  ['olmo2', { period: 4 }],
  ['gpt-oss', { period: 2 }],
  ['smallthinker', { period: 4, first: true }],
]);

export interface WindowPattern {
  readonly tokens: number;
  readonly has: (layer: number) => boolean;
}

export function windowPattern(metadata: Metadata, architecture: string, layers: number): WindowPattern {
  const tokens = metadata.count(`${architecture}.attention.sliding_window`) ?? 0;
  const known = periods.get(architecture);
  const none: WindowPattern = { tokens: 0, has: () => false };
  if (tokens === 0) return none;
  const told = `${architecture}.attention.sliding_window_pattern`;
  if (metadata.length(told) !== undefined) {
    const pattern = metadata.perLayer(told, layers) ?? [];
    return { tokens, has: (layer) => pattern[layer] === 1 };
  }
  const period = metadata.count(told) ?? known?.period ?? 0;
  if (period < 2) return none;
  const sees = known?.first === true ? 0 : period - 1;
  return { tokens, has: (layer) => layer % period !== sees };
}
