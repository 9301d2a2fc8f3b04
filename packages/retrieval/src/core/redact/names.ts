/**
 * Names from a list: in any case, with or without accents, with white space, a dot, a dash or nothing between their parts, and with
 * the last part first. One name is one subject however it is written.
 *
 * 1. A text is gone through once, word by word; at each as many words are looked up as the longest name has.
 */
import type { Finding } from './finding.ts';

const WORD = /[\p{L}\p{M}]+/gu;
/** Between two parts of a name: "Lovelace, Ada", "ada.lovelace", a line's end. */
const BETWEEN = /^[\s\u00a0._'’-]{0,3}$|^,[\s\u00a0]{0,2}$/;
const mostWords = 6;

interface Known {
  readonly subject: string;
  /** Of one word, and with a capital: "Rose" is a name and "rose" a flower. */
  readonly isCapital: boolean;
}

export class NameList {
  private readonly known = new Map<string, Known>();
  private longest = 1;

  constructor(names: readonly string[]) {
    for (const name of names) {
      const words = wordsOf(name);
      const subject = words.map(({ folded }) => folded).join(' ');
      const isCapital = words.length === 1 && /^\p{Lu}/u.test(name.trim());
      this.add(
        words.map(({ folded }) => folded),
        { subject, isCapital },
      );
      if (words.length === 1) continue;
      const known = { subject, isCapital: false };
      const [first, ...rest] = words.map(({ folded }) => folded);
      this.add([[first, ...rest].join('')], known);
      const last = rest.pop();
      if (last !== undefined) this.add([last, first ?? '', ...rest], known);
    }
  }

  findings(text: string): readonly Finding[] {
    if (this.known.size === 0) return [];
    const words = wordsOf(text);
    const found: Finding[] = [];
    for (let at = 0; at < words.length; ) {
      const count = this.at(text, words, at, found);
      at += Math.max(1, count);
    }
    return found;
  }

  private add(words: readonly string[], known: Known): void {
    this.longest = Math.max(this.longest, words.length);
    const key = words.join(' ');
    if (!this.known.has(key)) this.known.set(key, known);
  }

  /** How many words the name has that begins here. */
  private at(text: string, words: readonly Word[], at: number, found: Finding[]): number {
    const first = words[at] as Word;
    const keys = [first.folded];
    for (let next = at + 1; next < Math.min(words.length, at + this.longest); next += 1) {
      const [before, word] = [words[next - 1] as Word, words[next] as Word];
      if (word.start - before.end > 3 || !BETWEEN.test(text.slice(before.end, word.start))) break;
      keys.push(`${keys.at(-1)} ${word.folded}`);
    }
    for (let count = keys.length; count > 0; count -= 1) {
      const known = this.known.get(keys[count - 1] as string);
      if (known === undefined || (known.isCapital && !/^\p{Lu}/u.test(first.text))) continue;
      const { end } = words[at + count - 1] as Word;
      found.push({ kind: 'name', start: first.start, end, subject: known.subject });
      return count;
    }
    return 0;
  }
}

/** Why it cannot be looked for; undefined when it can. */
export function unusableName(name: string): string | undefined {
  const words = wordsOf(name);
  if (words.length > mostWords) return `it has ${words.length} words, at most ${mostWords}`;
  const letters = words.reduce((sum, { folded }) => sum + folded.length, 0);
  return letters < 3 ? 'it has less than 3 letters' : undefined;
}

interface Word {
  readonly text: string;
  readonly folded: string;
  readonly start: number;
  readonly end: number;
}

function wordsOf(text: string): readonly Word[] {
  return [...text.matchAll(WORD)].map(({ index, 0: word }) => ({
    text: word,
    folded: word
      .normalize('NFKD')
      .replaceAll(/\p{M}+/gu, '')
      .toLowerCase(),
    start: index,
    end: index + word.length,
  }));
}
