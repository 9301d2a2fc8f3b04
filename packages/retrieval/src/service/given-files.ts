/** Files that a task was given, as what a collection is synced with. */
import { readFile } from 'node:fs/promises';
import { join } from 'node:path/posix';
import type { SourceName } from '@gryphgen/protocol';
import { unreadable } from '../parse/parse-document.ts';
import type { Origin } from '../sync/origin.ts';
import { keyOf, ownName } from './file-key.ts';

/** One file of a source: `path` in it, '' where the source is that file; `hash` of its content, which is read from `at`. */
export interface SourceFile {
  readonly path: string;
  readonly bytes: number;
  readonly hash: string;
  readonly at: string;
}

/** Paths in the collection begin with the source's own name: that is a part of what a file is about, and its place is not. */
export function originOf(source: SourceName, files: readonly SourceFile[]): Origin {
  const at = new Map(files.map((file) => [keyOf(source, file.path), file.at]));
  return {
    async *list() {
      for (const { path, bytes, hash } of files) {
        const named = { key: keyOf(source, path), path: join(ownName(source.path), path), hash };
        const why = unreadable(named.path, bytes);
        yield why === undefined ? named : { ...named, unreadable: why };
      }
    },
    read: async (key) => ({ kind: 'read', bytes: await readFile(at.get(key) as string) }),
  };
}
