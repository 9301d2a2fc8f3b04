/**
 * Packs blocks into chunks.
 *
 * 1. No chunk is larger than `maxChars`, whatever came in; a larger block is cut into pieces that overlap.
 * 2. Blocks are packed together only under the same headings and in the same place, and never with one that stands alone.
 * 3. Nothing but white space is lost: each line with anything on it is in at least one chunk.
 */
import type { Block, Chunk, ChunkLimits } from './block.ts';
import { splitText } from './split-text.ts';

export function chunkBlocks(blocks: readonly Block[], limits: ChunkLimits): readonly Chunk[] {
  const chunks: Chunk[] = [];
  let open: Block[] = [];
  let openChars = 0;
  const close = () => {
    if (open.length > 0) chunks.push(joined(open));
    open = [];
    openChars = 0;
  };
  for (const block of blocks) {
    if (block.text.trim() === '') continue;
    const [last] = open.slice(-1);
    const fits = openChars + block.text.length + 2 <= limits.targetChars;
    if (last !== undefined && !(fits && canPack(last, block))) close();
    if (block.text.length > limits.maxChars) {
      close();
      chunks.push(...cut(block, limits));
    } else {
      open.push(block);
      openChars += block.text.length + 2;
    }
  }
  close();
  return chunks;
}

function canPack(one: Block, next: Block): boolean {
  if (one.alone || next.alone || one.place !== next.place || one.headings.length !== next.headings.length)
    return false;
  return one.headings.every((heading, at) => heading === next.headings[at]);
}

function joined(blocks: readonly Block[]): Chunk {
  const [first] = blocks as [Block];
  const text = blocks.reduce((before, { text, startLine }, at) => {
    if (at === 0) return text;
    const gap = startLine - (blocks[at - 1] as Block).endLine;
    return `${before}${gap > 1 ? '\n\n' : '\n'}${text}`;
  }, '');
  return {
    text,
    startLine: first.startLine,
    endLine: Math.max(...blocks.map(({ endLine }) => endLine)),
    headings: first.headings,
    symbols: blocks.flatMap(({ symbols }) => symbols),
    ...placed(first),
  };
}

/** Every piece keeps the names of the whole: the declaration is cited by its name wherever in it the answer lies. */
function cut(block: Block, limits: ChunkLimits): readonly Chunk[] {
  const { text, startLine, headings, symbols } = block;
  return splitText(text, limits).map((piece) => ({
    text: piece.text,
    startLine: startLine + piece.line,
    endLine: startLine + piece.lastLine,
    headings,
    symbols,
    ...placed(block),
  }));
}

function placed({ place }: Block): Pick<Chunk, 'place'> {
  return place === undefined ? {} : { place };
}
