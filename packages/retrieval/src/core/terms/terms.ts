/**
 * Text to terms: what is indexed, and what a query is looked up by.
 *
 * 1. A word is found by its stem (Porter), an identifier by each word in it and, with `~`, by itself however it is written:
 *    parseHttpHeader, parse_http_header and ParseHTTPHeader are one.
 * 2. Scripts without spaces are found by their pairs of characters.
 * 3. What has no meaning as a word (stop words, base64, hashes) is no term.
 */
import { stemmer } from 'stemmer';
import { STOP_WORDS } from './stop-words.ts';

/** Longer ones are data, not words. */
const MAX_WORD_CHARS = 40;
const MAX_RUN_CHARS = 120;
const ASCII_RUN = /[A-Za-z0-9_$]+/g;
const RUN = /[\p{L}\p{N}\p{M}_$]+/gu;
const PARTS = /\p{Lu}+(?!\p{Ll})\p{N}*|\p{Lu}?[\p{Ll}\p{Lo}\p{Lm}]+\p{N}*|\p{Lt}+|\p{N}+/gu;
const UNSPACED =
  /[\p{Script=Han}\p{Script=Hiragana}\p{Script=Katakana}\p{Script=Thai}\p{Script=Lao}\p{Script=Khmer}\p{Script=Myanmar}]+/gu;
/** Of a pseudonym (core/redact): its parts are no words, and would be found in others. */
const MARKER = /^(?=.*\d)(?=.*[a-f])[0-9a-f]{16}$/;
// biome-ignore lint/suspicious/noControlCharactersInRegex: what is not ASCII, from its first character on.
const NOT_ASCII = /[^\x00-\x7f]/;

/** The runs of letters, digits and `_` in a text, as they are written. */
export function runsOf(text: string): readonly string[] {
  const plain = text.normalize('NFC');
  return plain.match(NOT_ASCII.test(plain) ? RUN : ASCII_RUN) ?? [];
}

/** `compound` is null for what is one word. `words` has no stop words, and may be empty. */
export interface RunTerms {
  readonly words: readonly string[];
  readonly compound: string | null;
}

const NOTHING: RunTerms = { words: [], compound: null };

export function termsOfRun(run: string): RunTerms {
  if (run.length > MAX_RUN_CHARS) return NOTHING;
  if (MARKER.test(run)) return { words: [run], compound: null };
  // Accents are marks of their own then, and are left out: a person may type them or not.
  const bare = NOT_ASCII.test(run) ? run.normalize('NFKD').replaceAll(/\p{M}+/gu, '') : run;
  const parts = bare.match(PARTS) ?? [];
  const words: string[] = [];
  for (const part of parts) {
    if (part.length > MAX_WORD_CHARS) continue;
    const lower = part.toLowerCase();
    if (STOP_WORDS.has(lower)) continue;
    if (UNSPACED.test(lower)) words.push(...pairsOf(lower));
    else words.push(stemmer(lower));
    UNSPACED.lastIndex = 0;
  }
  const compound = parts.length > 1 ? `~${parts.join('').toLowerCase()}` : null;
  return { words, compound };
}

/** Overlapping, and a lone character by itself. */
function pairsOf(text: string): readonly string[] {
  const characters = [...text];
  if (characters.length === 1) return characters;
  return characters.slice(1).map((character, at) => `${characters[at]}${character}`);
}

/** A name that a query may be as a whole: a title, a symbol, a path. Found as it is written, and with any writing. */
export function nameTerms(name: string): readonly [exact: string, folded: string] | undefined {
  const shown = name.normalize('NFC').trim().replaceAll(/\s+/g, ' ');
  if (shown === '' || shown.length > 300) return undefined;
  return [`=${shown}`, `^${shown.toLowerCase().replaceAll(/[\s_-]+/g, '')}`];
}
