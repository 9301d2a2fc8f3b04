/**
 * Takes out of text what may be a secret, before it leaves the machine: better too much than one.
 *
 * 1. What this home's key files hold, wherever it stands.
 * 2. What looks like one: tickets, tokens, long runs of letters and digits, values of variables, whatever follows a word
 *    such as "password".
 */
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { parseJson } from '@gryphgen/runtime';

const cut = '[cut]';
/** Shorter ones would be cut out of ordinary words. */
const leastChars = 8;
const secretNames =
  'secret|password|passwd|pass|token|authorization|credential|identitytoken|auth|ticket|grant|signature|env|api[-_]?key';

const patterns: readonly (readonly [RegExp, string])[] = [
  [/\bgrid-[A-Za-z0-9_-]{20,}/g, cut],
  [
    new RegExp(
      `("[^"]*(?:${secretNames})[^"]*"\\s*:\\s*)("(?:[^"\\\\]|\\\\.)*"|\\{[^}]*\\}|\\[[^\\]]*\\])`,
      'gi',
    ),
    `$1"${cut}"`,
  ],
  [/\b(Bearer|Basic)\s+\S+/gi, `$1 ${cut}`],
  [/(\/\/)[^/\s:@]+:[^/\s@]+@/g, `$1${cut}@`],
  [/\b([A-Za-z_][A-Za-z0-9_]{2,}=)("[^"]*"|'[^']*'|[^\s",}\]]+)/g, `$1${cut}`],
  [new RegExp(`\\b((?:${secretNames})\\s*[:=]\\s*)[^\\s",]+`, 'gi'), `$1${cut}`],
  [/[A-Za-z0-9+/_-]{32,}={0,2}/g, cut],
];

/** Strings of the key files of `home`, public halves and names aside. */
export function knownSecrets(home: string): readonly string[] {
  const folder = join(home, 'keys');
  if (!existsSync(folder)) return [];
  const found: string[] = [];
  const look = (value: unknown, name: string): void => {
    if (typeof value === 'string' && name === 'secret') found.push(value);
    if (typeof value !== 'object' || value === null) return;
    for (const [key, part] of Object.entries(value)) look(part, key);
  };
  for (const file of readdirSync(folder)) {
    if (file.endsWith('.json')) look(parseJson(readFileSync(join(folder, file), 'utf8')), '');
  }
  return found.filter((secret) => secret.length >= leastChars);
}

/** Of a log: all of the above. */
export function redacted(text: string, secrets: readonly string[]): string {
  return patterns.reduce(
    (left, [pattern, instead]) => left.replace(pattern, instead),
    withoutKnown(text, secrets),
  );
}

/** Of what grid itself has made, whose digests and ids are wanted: what the key files hold. */
export function withoutKnown(text: string, secrets: readonly string[]): string {
  return secrets.reduce((left, secret) => left.replaceAll(secret, cut), text);
}
