/** Results that stand next to each other in one source, as one: read together, cited by one range of lines. */

interface Part {
  readonly collection: string;
  readonly source: { readonly key: string };
  readonly seq: number;
  readonly text: string;
  readonly startLine: number;
  readonly endLine: number;
}

/** `first` is the best of them; the text and lines are of all, in the order of the document. */
export interface Joined<Result extends Part> {
  readonly first: Result;
  readonly parts: readonly Result[];
  readonly text: string;
  readonly startLine: number;
  readonly endLine: number;
}

/** Pieces of one block repeat at most so much of each other. */
const MAX_OVERLAP_CHARS = 400;

/** `results` best first; so is what comes back. No more than `maxChars` become one. */
export function joinNeighbours<Result extends Part>(
  results: readonly Result[],
  maxChars: number,
): readonly Joined<Result>[] {
  const groups: Result[][] = [];
  for (const result of results) {
    const group = groups.find((each) => {
      const chars = each.reduce((sum, { text }) => sum + text.length, result.text.length);
      return chars <= maxChars && each.some((other) => areNeighbours(other, result));
    });
    if (group === undefined) groups.push([result]);
    else group.push(result);
  }
  return groups.map((group) => {
    const parts = [...group].sort((a, b) => a.seq - b.seq);
    return {
      first: group[0] as Result,
      parts,
      text: parts.map(({ text }) => text).reduce(joinTexts),
      startLine: Math.min(...parts.map(({ startLine }) => startLine)),
      endLine: Math.max(...parts.map(({ endLine }) => endLine)),
    };
  });
}

function areNeighbours(a: Part, b: Part): boolean {
  return a.collection === b.collection && a.source.key === b.source.key && Math.abs(a.seq - b.seq) === 1;
}

/** What the second repeats of the first is written once. */
function joinTexts(before: string, after: string): string {
  for (let chars = Math.min(MAX_OVERLAP_CHARS, before.length, after.length); chars > 0; chars -= 1)
    if (before.endsWith(after.slice(0, chars))) return before + after.slice(chars);
  return `${before}\n${after}`;
}
