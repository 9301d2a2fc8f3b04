/** What is ingested by a service that is killed: the same for the one that is killed and for the one that is compared. */
import { createHash } from 'node:crypto';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';

export const sources = ['/a', '/b', '/c', '/d'].map((path) => ({ machine: 'forge', path }));

/** A source in a round: some files are as before, some other, some gone and some new. */
export async function writeFiles(folder, { path: source }, round) {
  const files = [];
  for (let n = 0; n < 12; n += 1) {
    const version = n % 3 === 0 ? 0 : round + (n % 3);
    const path = n === 11 ? `new${round}.md` : `n${n}.${n === 5 ? 'ts' : 'md'}`;
    if (n === 10 && round % 2 === 1) continue;
    const text = textOf(`${source}${n}`, version, path.endsWith('.ts'));
    const hash = createHash('sha256').update(text).digest('hex');
    const at = join(folder, hash);
    await writeFile(at, text);
    files.push({ path, bytes: Buffer.byteLength(text), hash, at });
  }
  return files;
}

function textOf(name, version, isCode) {
  const parts = [];
  for (let at = 0; at < 8; at += 1) {
    const words = Array.from(
      { length: 60 },
      (_, n) => `word${(n * 7 + at * 31 + version * 13 + name.length) % 400}`,
    );
    if (isCode) parts.push(`export function f${at}v${version}() {\n  return '${words.join(' ')}';\n}\n`);
    else parts.push(`# Part ${at} of ${name}\n\nIn version${version}: ${words.join(' ')}.\n`);
  }
  return parts.join('\n');
}
