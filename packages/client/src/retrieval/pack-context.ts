/**
 * Which of the passages that were found are read to a model, and how: as many as there is room for, each text once.
 *
 * 1. Chunks are taken best first, one that says what a better one says not at all. One for which there is no room is passed
 *    over, and smaller ones behind it are still taken. What they cost is counted before they are joined, so a pack never takes more.
 * 2. Of one file they stand in the order of the file, joined where they touch or overlap; files come by their best chunk.
 * 3. A gap is not hidden: what may be cut off before the next one begins is not joined to it, unless they share text.
 */
import type { Chunk, ContextPack, PackedPassage } from './ask-steps.ts';

/** Pieces of one block repeat at most so much of each other; less than the least is chance. */
const mostSharedChars = 400;
const leastSharedChars = 16;

interface Run {
  readonly chunks: readonly Chunk[];
  readonly text: string;
  readonly lines: readonly [number, number];
}

/** `chunks` best first. */
export function packContext(chunks: readonly Chunk[], budgetTokens: number): ContextPack {
  const distinct = withoutCopies(chunks);
  const taken: Chunk[] = [];
  let tokens = 0;
  for (const chunk of distinct) {
    if (tokens + chunk.tokens > budgetTokens) continue;
    tokens += chunk.tokens;
    taken.push(chunk);
  }
  return {
    passages: [...byFile(taken).values()].flatMap(runsOf).map(packed),
    tokens,
    leftOut: foundOf(distinct) - foundOf(taken),
    copies: foundOf(chunks) - foundOf(distinct),
  };
}

/** How many were found themselves. */
function foundOf(chunks: readonly Chunk[]): number {
  return chunks.filter(({ beside }) => beside !== true).length;
}

function withoutCopies(chunks: readonly Chunk[]): readonly Chunk[] {
  const said = new Set<string>();
  return chunks.filter(({ text }) => {
    const folded = text.trim().replace(/\s+/g, ' ');
    if (said.has(folded)) return false;
    said.add(folded);
    return true;
  });
}

function byFile(chunks: readonly Chunk[]): ReadonlyMap<string, readonly Chunk[]> {
  const files = new Map<string, Chunk[]>();
  for (const chunk of chunks) {
    const { machine, source, place = '', revision = '' } = chunk;
    const key = JSON.stringify([machine, source, revision, place]);
    const file = files.get(key);
    if (file === undefined) files.set(key, [chunk]);
    else file.push(chunk);
  }
  return files;
}

function runsOf(chunks: readonly Chunk[]): readonly Run[] {
  const inOrder = [...chunks].sort((a, b) => a.lines[0] - b.lines[0] || a.lines[1] - b.lines[1]);
  const runs: Run[] = [];
  for (const chunk of inOrder) {
    const last = runs.at(-1);
    const text = last === undefined ? undefined : joined(last, chunk);
    if (last === undefined || text === undefined) {
      runs.push({ chunks: [chunk], text: chunk.text, lines: chunk.lines });
      continue;
    }
    const lines = [last.lines[0], Math.max(last.lines[1], chunk.lines[1])] as const;
    runs[runs.length - 1] = { chunks: [...last.chunks, chunk], text, lines };
  }
  return runs;
}

/** Undefined where the second does not go on from the first. */
function joined(before: Run, next: Chunk): string | undefined {
  if (next.lines[0] > before.lines[1] + 1) return undefined;
  if (before.text.includes(next.text)) return before.text;
  if (next.text.includes(before.text)) return next.text;
  const shared = sharedChars(before.text, next.text);
  if (shared > 0) return before.text + next.text.slice(shared);
  const goesOn = next.lines[0] === before.lines[1] + 1 && before.chunks.at(-1)?.partial === false;
  return goesOn ? `${before.text.replace(/\n$/, '')}\n${next.text}` : undefined;
}

/** How much of the end of one begins the other. */
function sharedChars(before: string, next: string): number {
  const most = Math.min(mostSharedChars, before.length, next.length);
  for (let chars = most; chars >= leastSharedChars; chars -= 1)
    if (before.endsWith(next.slice(0, chars))) return chars;
  return 0;
}

function packed({ chunks, text, lines }: Run, index: number): PackedPassage {
  const [first = never(), ...more] = chunks;
  const { machine, source, place, revision, title } = first;
  return {
    number: index + 1,
    ...{ machine, source },
    lines: [lines[0], lines[1]],
    ...(place !== undefined && { place }),
    ...(revision !== undefined && { revision }),
    ...(title !== undefined && { title }),
    text,
    score: more.reduce((best, { score }) => Math.max(best, score), first.score),
    tokens: more.reduce((sum, chunk) => sum + chunk.tokens, first.tokens),
  };
}

function never(): never {
  throw new Error('a run of no chunks');
}
