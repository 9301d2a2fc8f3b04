/**
 * The files of a folder.
 *
 * 1. Links are not followed: no loop, and nothing outside the folder is read.
 * 2. A file's size is looked at before it is read.
 */
import { opendir, readFile, stat } from 'node:fs/promises';
import { join } from 'node:path';
import type { Origin, OriginFile, OriginRead } from './origin.ts';

/** What versions and packages are kept in: of others' making, or read through their own tools. */
const LEFT_OUT = new Set(['.git', '.hg', '.svn', 'node_modules', '.DS_Store']);

export function folderOrigin(folder: string, maxBytes: number): Origin {
  return {
    list: () => filesOf(folder, ''),
    async read(key): Promise<OriginRead> {
      try {
        const path = join(folder, key);
        const { size } = await stat(path);
        if (size > maxBytes)
          return { kind: 'failed', cause: `it has ${size} bytes, over the limit of ${maxBytes}` };
        return { kind: 'read', bytes: await readFile(path) };
      } catch (error) {
        const { code, message } = error as NodeJS.ErrnoException;
        return code === 'ENOENT' ? { kind: 'gone' } : { kind: 'failed', cause: message };
      }
    },
  };
}

async function* filesOf(folder: string, below: string): AsyncGenerator<OriginFile> {
  let entries: Awaited<ReturnType<typeof opendir>>;
  try {
    entries = await opendir(join(folder, below));
  } catch (error) {
    // The folder itself must be there: else everything in it would be taken for deleted.
    if (below === '') throw error;
    yield { key: below, path: below, unreadable: (error as Error).message };
    return;
  }
  for await (const entry of entries) {
    const key = below === '' ? entry.name : `${below}/${entry.name}`;
    if (LEFT_OUT.has(entry.name)) continue;
    if (entry.isDirectory()) yield* filesOf(folder, key);
    else if (entry.isFile()) yield { key, path: key };
  }
}
