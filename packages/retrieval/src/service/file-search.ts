/** Looks for a subject in the bytes of files, also in what a database has left of its pages and in its log. */
import { open, readdir } from 'node:fs/promises';
import { join } from 'node:path';
import type { ForgetResult } from '@gryphgen/protocol';
import { subjectPattern, subjectSpan } from '../core/forget/subject.ts';

const windowBytes = 4 * 1024 ** 2;

/** Each file of the folder, by name. */
export async function searchFiles(folder: string, subject: string): Promise<ForgetResult['searched']> {
  const entries = await readdir(folder, { withFileTypes: true });
  const names = entries.filter((entry) => entry.isFile()).map(({ name }) => name);
  const searched: ForgetResult['searched'] = [];
  for (const name of names.sort())
    searched.push({ file: name, ...(await searchFile(join(folder, name), subject)) });
  return searched;
}

async function searchFile(
  path: string,
  subject: string,
): Promise<{ readonly bytes: number; readonly found: number }> {
  const pattern = subjectPattern(subject);
  const span = subjectSpan(subject);
  const file = await open(path, 'r');
  try {
    const window = Buffer.alloc(windowBytes);
    let [bytes, found, kept] = [0, 0, ''];
    for (;;) {
      const { bytesRead } = await file.read(window, 0, windowBytes, bytes);
      if (bytesRead === 0) return { bytes, found };
      bytes += bytesRead;
      const text = kept + window.toString('latin1', 0, bytesRead);
      let end = 0;
      for (const match of text.matchAll(pattern)) {
        found += 1;
        end = match.index + match[0].length;
      }
      // What was found is not found again with the next window; what is begun at its end may be.
      kept = text.slice(Math.max(end, text.length - span));
    }
  } finally {
    await file.close();
  }
}
