/**
 * What a document is parted into. A parser (src/parse) finds its blocks; `chunkBlocks` packs them into chunks, which are
 * what is kept, ranked and cited.
 */

/** A stretch of a document that belongs together: a paragraph, a declaration, a row. Lines count from 1, both ends included. */
export interface Block {
  readonly text: string;
  readonly startLine: number;
  readonly endLine: number;
  /** The headings it stands under, outermost first. */
  readonly headings: readonly string[];
  /** Names declared in it, outermost first: `Parser`, `Parser.parse`. Empty for prose. */
  readonly symbols: readonly string[];
  /** A chunk of its own: never packed together with its neighbours. */
  readonly alone: boolean;
  /** Where its lines are counted, when that is not the file: `page 3`, `cell 2`. */
  readonly place?: string;
}

/** One passage. `text` has at most `maxChars` UTF-16 units; the rest is as in Block, over all blocks in it. */
export interface Chunk {
  readonly text: string;
  readonly startLine: number;
  readonly endLine: number;
  readonly headings: readonly string[];
  readonly symbols: readonly string[];
  readonly place?: string;
}

/** All in UTF-16 units of text. */
export interface ChunkLimits {
  readonly maxChars: number;
  /** Blocks are packed together up to here. */
  readonly targetChars: number;
  /** What two pieces of one block share, so that a sentence across the cut is found in one of them. */
  readonly overlapChars: number;
}

/** Some 250 to 500 tokens: what embedding models take whole, and what a person reads at once. */
export const chunkLimits: ChunkLimits = { maxChars: 2000, targetChars: 1200, overlapChars: 200 };

export const plainBlock = (
  text: string,
  startLine: number,
  endLine: number,
  headings: readonly string[] = [],
): Block => ({ text, startLine, endLine, headings, symbols: [], alone: false });
