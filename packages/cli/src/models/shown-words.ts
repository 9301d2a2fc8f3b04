/** What a model writes, as it may be shown: to programs as it is, to a person without what would move their cursor. */
import type { Terminal } from '../terminal.ts';

// Control characters but tab and line feed, and what turns the direction of text around.
const unsafe = /[\u202a-\u202e\u2066-\u2069]|(?![\t\n])\p{Cc}/gu;

export function shownWords(text: string, { isTty }: Pick<Terminal, 'isTty'>): string {
  return isTty ? text.replace(unsafe, '') : text;
}
