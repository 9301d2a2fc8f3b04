/**
 * Takes out of text what may be a secret, before it leaves the machine: better too much than one.
 *
 * 1. What this home's key files hold, wherever it stands.
 * 2. What looks like one: tickets, tokens, long runs of letters and digits, values of variables, whatever follows a word
 *    such as "password".
 */
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';

const cut = '[cut]';
/** Shorter ones would be cut out of ordinary words. */
const leastChars = 8;
const secretNames =
  'secret|password|passwd|pass|token|authorization|credential|identitytoken|auth|ticket|grant|signature|env|api[-_]?key';

/**
 * A string with its quotes, as it stands in JSON (0) or in JSON that is itself a string in JSON, so many deep: there a
 * quote has 2^depth - 1 backslashes before it. It ends with its line at the latest.
 */
function quoted(depth: number): string {
  const before = 2 ** depth - 1;
  const quote = `\\\\{${before}}"`;
  return `(?<!\\\\)${quote}[^\\n]*?(?:(?<!\\\\)(?:\\\\{${2 * (before + 1)}})*${quote}|$)`;
}

/** Deeper ones, and what is no JSON: up to the next quote. */
const anyQuoted = [...[0, 1, 2, 3].map(quoted), '\\\\*"[^"\\n]*"?'].join('|');

/** What is a secret wherever it stands. */
const telling: readonly (readonly [RegExp, string])[] = [
  [/\bgrid-[A-Za-z0-9_-]{20,}/g, cut],
  [/\b(Bearer|Basic)\s+[^\s"\\]+/gi, `$1 ${cut}`],
  [/(\/\/)[^/\s"]+@/g, `$1${cut}@`],
];

/** What else a name has: bounded, so that the longest line takes no longer than it must. */
const around = '[^"]{0,200}';

/** The named ones first: the others take the quotes by which these are known. */
const patterns: readonly (readonly [RegExp, string])[] = [
  [
    new RegExp(
      `("${around}(?:${secretNames})${around}"\\s*:\\s*)(?:(?=(\\\\*"))(?:${anyQuoted})|\\{[^}]*\\}|\\[[^\\]]*\\])`,
      'gim',
    ),
    `$1$2${cut}$2`,
  ],
  ...telling,
  [new RegExp(`\\b([A-Za-z_][A-Za-z0-9_]{2,}=)(?:${anyQuoted}|'[^']*'|[^\\s",}\\]]+)`, 'gm'), `$1${cut}`],
  [new RegExp(`\\b((?:${secretNames})\\s*[:=]\\s*)[^\\s",]+`, 'gi'), `$1${cut}`],
  [/[A-Za-z0-9+/_-]{32,}={0,2}/g, cut],
];

export interface KnownSecrets {
  readonly secrets: readonly string[];
  /** Paths of what could not be read: there may be more secrets than these. */
  readonly unread: readonly string[];
}

/** Strings of the key files of `home`, public halves and names aside. */
export function knownSecrets(home: string): KnownSecrets {
  const found: string[] = [];
  const unread: string[] = [];
  const look = (value: unknown, name: string): void => {
    if (typeof value === 'string' && name === 'secret') found.push(value);
    if (typeof value !== 'object' || value === null) return;
    for (const [key, part] of Object.entries(value)) look(part, key);
  };
  const attempt = <T>(path: string, work: () => T): T | undefined => {
    try {
      return work();
    } catch {
      // What JSON.parse says quotes the file.
      unread.push(path);
      return undefined;
    }
  };
  const folder = join(home, 'keys');
  const files = attempt(folder, () => (existsSync(folder) ? readdirSync(folder) : [])) ?? [];
  for (const file of files.filter((name) => name.endsWith('.json'))) {
    const path = join(folder, file);
    attempt(path, () => look(JSON.parse(readFileSync(path, 'utf8')), ''));
  }
  return { secrets: found.filter((secret) => secret.length >= leastChars), unread };
}

/** Of a log: all of the above. */
export function redacted(text: string, secrets: readonly string[]): string {
  return withoutAny(withoutKnown(text, secrets), patterns);
}

/**
 * JSON of what grid itself has made: its digests and ids are wanted, so that only what the key files hold is cut out, and
 * what is a secret wherever it stands: a setting may hold one.
 */
export function redactedJson(document: unknown, secrets: readonly string[]): string {
  const inStrings = (_: string, value: unknown): unknown =>
    typeof value === 'string' ? withoutAny(withoutKnown(value, secrets), telling) : value;
  return withoutKnown(JSON.stringify(document, inStrings, 2), secrets);
}

function withoutAny(text: string, cuts: readonly (readonly [RegExp, string])[]): string {
  return cuts.reduce((left, [pattern, instead]) => left.replace(pattern, instead), text);
}

function withoutKnown(text: string, secrets: readonly string[]): string {
  return secrets.reduce((left, secret) => left.replaceAll(secret, cut), text);
}
