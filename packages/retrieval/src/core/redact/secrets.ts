/**
 * Keys of programs and services, and what else lets in whoever has it: by well-known shapes, by what a value is called, and by
 * being random. Hashes, ids and names in code are left.
 *
 * 1. No pattern begins within a run that it could have begun with, and every repetition is bounded: a text is gone through in a
 *    time by its length alone.
 */
import type { Finding } from './finding.ts';

const BEGIN = /-----BEGIN (?:[A-Z0-9]{1,16} ){0,3}PRIVATE KEY(?: BLOCK)?-----/g;
const END = /-----END (?:[A-Z0-9]{1,16} ){0,3}PRIVATE KEY(?: BLOCK)?-----/g;
const maxKeyChars = 16_384;

/** Of services, by how they begin. */
const SHAPES = [
  'A(?:KIA|SIA)[A-Z0-9]{16}',
  'gh[oprsu]_[A-Za-z0-9]{30,255}',
  'github_pat_[A-Za-z0-9_]{22,255}',
  'gl(?:pat|dt|rt|cbt|ptt|ft|soat)-[A-Za-z0-9_-]{20,255}',
  'xox[abeprs]-[A-Za-z0-9-]{10,255}',
  'xapp-[A-Za-z0-9-]{10,255}',
  'sk-[A-Za-z0-9_-]{20,255}',
  '[rps]k_(?:live|test)_[A-Za-z0-9]{10,255}',
  'whsec_[A-Za-z0-9]{20,255}',
  'AIza[A-Za-z0-9_-]{35}',
  'GOCSPX-[A-Za-z0-9_-]{20,255}',
  'npm_[A-Za-z0-9]{36}',
  'pypi-[A-Za-z0-9_-]{16,255}',
  'hf_[A-Za-z0-9]{30,255}',
  'SG\\.[A-Za-z0-9_-]{16,64}\\.[A-Za-z0-9_-]{16,128}',
  'do[opr]_v1_[a-f0-9]{64}',
  'shp(?:at|ca|pa|ss)_[a-fA-F0-9]{32}',
  'key-[a-f0-9]{32}',
  'AGE-SECRET-KEY-1[A-Z0-9]{50,64}',
  'tskey-[a-z]{2,10}-[A-Za-z0-9-]{16,255}',
];
const SHAPED = new RegExp(`(?<![A-Za-z0-9_-])(?:${SHAPES.join('|')})`, 'g');
/** What such a value is called, and the value. */
const CALLED =
  /(?:api[_-]?key|access[_-]?key(?:[_-]?id)?|secret[_-]?(?:access[_-]?)?key|private[_-]?key|client[_-]?secret|app[_-]?secret|password|passwd|passphrase|pwd|secret)["'`]?\s{0,3}(?::=|=>|[:=])\s{0,3}["'`]?([^\s"'`<>,;(){}[\]\\]{8,256})/gi;
/** `scheme://user:password@host`. */
const IN_ADDRESS = /:\/\/[^\s:/@"'<>]{1,64}:([^\s/@"'<>]{3,128})@/g;

export function keys(text: string): readonly Finding[] {
  return [
    ...keyBlocks(text),
    ...[...text.matchAll(SHAPED)].map(({ index, 0: key }) => finding('key', index, key)),
    ...[...text.matchAll(CALLED)].flatMap((match) => {
      const value = match[1] as string;
      return isSecret(value) ? [finding('key', match.index + match[0].length - value.length, value)] : [];
    }),
    ...[...text.matchAll(IN_ADDRESS)].flatMap((match) => {
      const value = match[1] as string;
      const isShown = /^[${<*x.]/i.test(value) && /^(?:\$|\{|<|\*+$|x+$|\.+$)/i.test(value);
      return isShown ? [] : [finding('key', match.index + match[0].length - 1 - value.length, value)];
    }),
  ];
}

/** A block that is not ended where the text ends is one to the end. */
function keyBlocks(text: string): readonly Finding[] {
  const found: Finding[] = [];
  let done = 0;
  for (const { index } of text.matchAll(BEGIN)) {
    if (index < done) continue;
    const rest = text.slice(index, index + maxKeyChars);
    const last = rest.matchAll(END).next().value;
    const length = last === undefined ? rest.length : last.index + last[0].length;
    done = index + length;
    found.push(finding('key', index, text.slice(index, done)));
  }
  return found;
}

/** Whether the text ends within a private key, which the next part goes on with. */
export function endsWithinKey(text: string): boolean {
  const begun = text.lastIndexOf('-----BEGIN ');
  if (begun === -1) return false;
  const head = text.slice(begun, begun + 80);
  return head.search(BEGIN) === 0 && text.slice(begun).search(END) === -1;
}

/** Where the private key ends that the text begins within; undefined where it goes on behind it. */
export function keyEnd(text: string): number | undefined {
  const last = text.matchAll(END).next().value;
  return last && last.index + last[0].length;
}

/** A value, not the name of one or a part of a program. */
function isSecret(value: string): boolean {
  if (/^[$%*<]|^(?:process|os|env|self|this|config)\.|^x{4,}|\*{3}/i.test(value)) return false;
  if (/^[A-Za-z_$][\w$]*(?:\.[A-Za-z_$][\w$]*)+$/.test(value)) return false;
  return /\d/.test(value) && /[A-Za-z]/.test(value) && !/^(?:v?\d+[.\d]*|https?:\/\/.*)$/i.test(value);
}

const JWT =
  /(?<![A-Za-z0-9_-])eyJ[A-Za-z0-9_-]{8,4096}\.eyJ[A-Za-z0-9_-]{2,8192}(?:\.[A-Za-z0-9_-]{0,4096})?/g;
const BEARER = /\b(?:bearer|basic|token)\s{1,3}([A-Za-z0-9._~+/-]{16,4096}={0,2})/gi;
const RUN = /[A-Za-z0-9+/_-]{32,}={0,2}/g;
/** Longer ones are data, such as a picture. */
const maxRandom = 512;
const HEX = /^(?:[0-9a-f]+|[0-9A-F]+)$/;
/** `sha512-…`: what a file is checked by. */
const DIGEST = /^(?:sha\d{1,3}|md5)[-:]/i;

export function tokens(text: string): readonly Finding[] {
  return [
    ...[...text.matchAll(JWT)].map(({ index, 0: token }) => finding('token', index, token)),
    ...[...text.matchAll(BEARER)].flatMap((match) => {
      const value = match[1] as string;
      const at = match.index + match[0].length - value.length;
      return /\d/.test(value) && isMixed(value, 0.15) ? [finding('token', at, value)] : [];
    }),
    ...[...text.matchAll(RUN)].flatMap(({ index, 0: run }) =>
      isRandom(run) && !DIGEST.test(text.slice(Math.max(0, index - 7), index + 8).replace(/^[^A-Za-z]+/, ''))
        ? [finding('token', index, run)]
        : [],
    ),
  ];
}

/** Letters of both cases and digits in turn, as no word, path or hash has them. */
function isRandom(run: string): boolean {
  if (run.length > maxRandom || HEX.test(run) || DIGEST.test(run)) return false;
  const counts = [/[a-z]/g, /[A-Z]/g, /\d/g].map((of) => run.match(of)?.length ?? 0);
  return counts.every((count) => count >= 3) && isMixed(run, 0.35) && bitsEach(run) >= 3.8;
}

/** How often a letter of one case, of the other and a digit follow each other. */
function isMixed(run: string, least: number): boolean {
  let changes = 0;
  for (let at = 1; at < run.length; at += 1) if (classOf(run, at) !== classOf(run, at - 1)) changes += 1;
  return changes / run.length >= least;
}

function classOf(run: string, at: number): number {
  const code = run.charCodeAt(at);
  if (code >= 48 && code <= 57) return 0;
  if (code >= 65 && code <= 90) return 1;
  return code >= 97 && code <= 122 ? 2 : 3;
}

function bitsEach(run: string): number {
  const counts = new Map<string, number>();
  for (const one of run) counts.set(one, (counts.get(one) ?? 0) + 1);
  let bits = 0;
  for (const count of counts.values()) bits -= (count / run.length) * Math.log2(count / run.length);
  return bits;
}

function finding(kind: 'key' | 'token', start: number, subject: string): Finding {
  return { kind, start, end: start + subject.length, subject };
}
