/** Answers that a task's outcome can hold. */
import type { Passage, QueryResult } from '@gryphgen/protocol';

const around = 64;
/** Of a text, beside itself. */
const named = ',"text":'.length;
/** Of an empty one. */
const quotes = 2;

/**
 * As much as `maxBytes` of JSON hold: the best results, and of their texts the beginnings, so that each has its part. `cut`
 * says that something is missing.
 */
export function fitted(results: readonly Passage[], maxBytes: number): QueryResult {
  const bare = results.map(({ text: _, ...rest }) => rest);
  const sizes = bare.map((result) => bytesOf(result) + 1 + named + quotes);
  let left = maxBytes - around;
  let count = 0;
  for (const size of sizes) {
    if (size > left) break;
    left -= size;
    count += 1;
  }
  const more = count < results.length;
  let cut = more;
  const kept = bare.slice(0, count).map((result, index) => {
    const { text } = results[index] as Passage;
    if (text === undefined) return result;
    const part = Math.floor(left / (count - index));
    const shown = beginning(text, part + quotes);
    cut ||= shown.length < text.length;
    left -= bytesOf(shown) - quotes;
    return { ...result, text: shown };
  });
  return { results: kept, cut, ...(more && { more }) };
}

/** As many whole characters as `maxBytes` hold as JSON. */
function beginning(text: string, maxBytes: number): string {
  if (bytesOf(text) <= maxBytes) return text;
  let [least, most] = [0, Math.min(text.length, Math.max(0, maxBytes))];
  while (least < most) {
    const middle = Math.ceil((least + most) / 2);
    if (bytesOf(text.slice(0, middle)) <= maxBytes) least = middle;
    else most = middle - 1;
  }
  // Half of a pair is no character.
  return text.slice(0, /[\ud800-\udbff]$/.test(text.slice(0, least)) ? least - 1 : least);
}

function bytesOf(value: unknown): number {
  return Buffer.byteLength(JSON.stringify(value));
}
