/**
 * Text that somebody else wrote, such as a task's name, as a terminal may show it: it must not move the cursor, change
 * the order of letters or look like something that grid says.
 */

// Control characters, line and paragraph separators, and what turns the direction of text around.
const unsafe = /[\p{Cc}\u2028\u2029\u202a-\u202e\u2066-\u2069]/gu;

/** One line: `\u{1b}` stands for an escape character. */
export function printable(text: string): string {
  return text.replace(unsafe, (char) => `\\u{${(char.codePointAt(0) ?? 0).toString(16)}}`);
}

/** The same document with all its texts printable. */
export function printableDocument<T>(document: T): T {
  return shown(document) as T;
}

function shown(value: unknown): unknown {
  if (typeof value === 'string') return printable(value);
  if (Array.isArray(value)) return value.map(shown);
  if (typeof value !== 'object' || value === null) return value;
  return Object.fromEntries(Object.entries(value).map(([name, held]) => [printable(name), shown(held)]));
}
