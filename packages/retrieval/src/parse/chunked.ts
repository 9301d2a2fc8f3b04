/** A document's blocks as passages. */
import { type ChunkLimits, chunkLimits } from '../core/chunk/block.ts';
import { chunkBlocks } from '../core/chunk/chunk-blocks.ts';
import type { ParsedDocument, PartedDocument } from './parse-document.ts';

export function chunked(parted: PartedDocument, limits: ChunkLimits = chunkLimits): ParsedDocument {
  if (parted.kind === 'refused') return parted;
  const { title, blocks, notes } = parted;
  return { kind: 'parsed', title, chunks: chunkBlocks(blocks, limits), notes };
}
