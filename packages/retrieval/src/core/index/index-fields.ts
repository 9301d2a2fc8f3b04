/** What of a source's passage is indexed, and where. */
import type { Chunk } from '../chunk/block.ts';
import type { Indexed } from './segment-builder.ts';

export interface IndexedSource {
  readonly key: string;
  readonly path: string;
  readonly title: string | null;
}

export function indexFields({ path, title }: IndexedSource, chunk: Chunk, seq: number): Indexed {
  const members = chunk.symbols.flatMap((symbol) => symbol.split(/[.:#]+/).at(-1) ?? []);
  const document = seq === 0 ? [path, path.split('/').at(-1) ?? '', title ?? ''] : [];
  return {
    title: [title ?? '', ...chunk.headings].join('\n'),
    path,
    symbols: chunk.symbols,
    body: chunk.text,
    names: [...new Set([...chunk.symbols, ...members, ...document, ...chunk.headings.slice(-1)])],
  };
}

/** Orders passages of one score: alike in every index that holds the same. FNV-1a. */
export function tieOf({ key }: IndexedSource, seq: number): number {
  let hash = 0x811c9dc5;
  for (const text of [key, `\n${seq}`])
    for (let at = 0; at < text.length; at += 1) hash = Math.imul(hash ^ text.charCodeAt(at), 0x01000193);
  return hash >>> 0;
}
