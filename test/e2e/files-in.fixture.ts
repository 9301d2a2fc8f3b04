/** What is written in a folder while others write there: what is gone before it is read is passed over. */
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { isMissing } from '@gryphgen/runtime';

/** Each file below it by its path, as latin1. Other than files (sockets, links) are left out. */
export function filesIn(folder: string): ReadonlyMap<string, string> {
  const found = new Map<string, string>();
  const waiting = [folder];
  for (let path = waiting.pop(); path !== undefined; path = waiting.pop())
    for (const entry of unlessMissing(path, (there) => readdirSync(there, { withFileTypes: true })) ?? []) {
      const inner = join(path, entry.name);
      if (entry.isDirectory()) waiting.push(inner);
      if (!entry.isFile()) continue;
      const text = unlessMissing(inner, (there) => readFileSync(there, 'latin1'));
      if (text !== undefined) found.set(inner, text);
    }
  return found;
}

function unlessMissing<T>(path: string, read: (path: string) => T): T | undefined {
  try {
    return read(path);
  } catch (error) {
    if (!isMissing(error)) throw error;
    return undefined;
  }
}
