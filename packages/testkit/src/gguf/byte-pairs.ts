/** A byte-level BPE tokenizer as GPT-2 has it, trained on a text of some lines. */

export interface BytePairs {
  /** The character that stands for each byte. */
  readonly byteChars: readonly string[];
  /** `left right`, the most frequent first. */
  readonly merges: readonly string[];
  /** The text in token ids. */
  readonly ids: (idOf: ReadonlyMap<string, number>) => readonly number[];
}

interface Segment {
  readonly parts: string[];
  readonly count: number;
}

export function trainBytePairs(text: string, mergeCount: number): BytePairs {
  const byteChars = charsOfBytes();
  const spelled = (word: string): string => [...Buffer.from(word)].map((byte) => byteChars[byte]).join('');
  const words = text.match(/ ?[A-Za-z]+| ?[0-9]+| ?[^\sA-Za-z0-9]+|\s+/g) ?? [];
  const counts = new Map<string, number>();
  for (const word of words) counts.set(spelled(word), (counts.get(spelled(word)) ?? 0) + 1);
  const segments: Segment[] = [...counts].map(([word, count]) => ({ parts: [...word], count }));
  const merges: string[] = [];
  const made = new Set<string>();
  while (merges.length < mergeCount) {
    const pair = mostFrequent(segments, made);
    if (pair === undefined) break;
    merges.push(pair);
    made.add(pair.replace(' ', ''));
    for (const { parts } of segments) merge(parts, pair);
  }
  const partsOf = new Map(segments.map(({ parts }) => [parts.join(''), parts]));
  const ids = (idOf: ReadonlyMap<string, number>): readonly number[] =>
    words.flatMap((word) => partsOf.get(spelled(word))!.map((token) => idOf.get(token)!));
  return { byteChars, merges, ids };
}

function mostFrequent(segments: readonly Segment[], made: ReadonlySet<string>): string | undefined {
  const counts = new Map<string, number>();
  for (const { parts, count } of segments) {
    for (let i = 0; i + 1 < parts.length; i++) {
      const pair = `${parts[i]} ${parts[i + 1]}`;
      counts.set(pair, (counts.get(pair) ?? 0) + count);
    }
  }
  const byCount = [...counts].sort(([a, m], [b, n]) => n - m || (a < b ? -1 : a > b ? 1 : 0));
  return byCount.find(([pair]) => !made.has(pair.replace(' ', '')))?.[0];
}

function merge(parts: string[], pair: string): void {
  for (let i = 0; i + 1 < parts.length; i++) {
    if (`${parts[i]} ${parts[i + 1]}` === pair) parts.splice(i, 2, pair.replace(' ', ''));
  }
}

/** GPT-2's: what prints stands for itself, the other bytes for characters from U+0100 on. */
function charsOfBytes(): string[] {
  let next = 256;
  return Array.from({ length: 256 }, (_, byte) => {
    const prints = (byte >= 33 && byte <= 126) || (byte >= 161 && byte <= 172) || byte >= 174;
    return String.fromCodePoint(prints ? byte : next++);
  });
}
