/** What of a passage a model is shown, to embed it: where it stands, and its text. Not its path: a file that moves means the same. */
import type { Chunk } from '../chunk/block.ts';

/** Titles and headings together. With the text at its longest, an answer (16 KiB of JSON) holds the whole. */
const maxPlaceChars = 300;

export function embeddedText(
  title: string | null,
  { headings, text }: Pick<Chunk, 'headings' | 'text'>,
): string {
  const place = [...(title === null || headings[0] === title ? [] : [title]), ...headings].join(' > ');
  return place === '' ? text : `${place.slice(0, maxPlaceChars)}\n${text}`;
}
