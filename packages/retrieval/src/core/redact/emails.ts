/** E-mail addresses, as they stand in prose, code and links. Around each "@" as much is looked at as an address may have. */
import type { Finding } from './finding.ts';

const AT = /@|＠|%40/g;
const LOCAL = /[\p{L}\p{N}\p{M}._%+'’-]/u;
const maxLocal = 64;
const maxDomain = 255;
const DOMAIN =
  /(?:[\p{L}\p{N}\p{M}][\p{L}\p{N}\p{M}-]{0,62}\.){1,8}(?:xn--[a-z0-9-]{1,59}|[\p{L}\p{M}]{2,63})/uy;
/** `pkg@1.2.0-beta.rc`, `logo@2x.png`. */
const VERSION = /^\d+(?:\.\d+|x\.)/;
/** Endings of files and units, no countries: an address may stand before one, and ends with none. */
const FILE =
  /\.(?:txt|pdf|docx?|csv|tsv|xml|eml|log|bak|sql|gz|png|jpe?g|gif|svg|webp|css|jsx?|tsx?|html?|json|ya?ml|service|socket|timer|slice)$/i;
const WHOLE = /\.(?:xn--[a-z0-9-]+|[\p{L}\p{M}]{2,})$/u;

export function emails(text: string): readonly Finding[] {
  const found: Finding[] = [];
  for (const { index, 0: at } of text.matchAll(AT)) {
    const start = localStart(text, index);
    const after = index + at.length;
    // Cut to what a domain may have, so that what follows costs nothing.
    const rest = text.slice(after, after + maxDomain);
    DOMAIN.lastIndex = 0;
    const domain = DOMAIN.exec(rest)?.[0].replace(FILE, '') ?? '';
    if (start === index || !WHOLE.test(domain) || VERSION.test(domain)) continue;
    const end = after + domain.length;
    // Where a repository is: git@host:path.
    if (text.slice(start, index) === 'git' && text[end] === ':') continue;
    const subject = `${text.slice(start, index)}@${domain}`.toLowerCase();
    found.push({ kind: 'email', start, end, subject });
  }
  return found;
}

function localStart(text: string, at: number): number {
  let start = at;
  while (start > 0 && at - start < maxLocal && LOCAL.test(text[start - 1] as string)) start -= 1;
  // Quotes and dots before it are the sentence's.
  while (start < at && /[.'’%+-]/.test(text[start] as string)) start += 1;
  return start;
}
