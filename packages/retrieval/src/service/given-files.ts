/** Files that a task was given, as what a collection is synced with. */
import { readFile } from 'node:fs/promises';
import { join } from 'node:path/posix';
import type { SourceName } from '@gryphgen/protocol';
import { unreadable } from '../parse/parse-document.ts';
import type { Redaction } from '../redact/redaction.ts';
import type { Origin, OriginFile } from '../sync/origin.ts';
import { keyOf, ownName } from './file-key.ts';

/** One file of a source: `path` in it, '' where the source is that file; `hash` of its content, which is read from `at`. */
export interface SourceFile {
  readonly path: string;
  readonly bytes: number;
  readonly hash: string;
  readonly at: string;
}

/**
 * Paths in the collection begin with the source's own name: that is a part of what a file is about, and its place is not.
 * `name`: of one that is a file, and called otherwise than its path ends.
 */
export function originOf(
  source: SourceName,
  files: readonly SourceFile[],
  redaction?: Redaction,
  name = ownName(source.path),
): Origin {
  const byKey = new Map<string, OriginFile>();
  const at = new Map<string, string>();
  for (const file of files) {
    const { path, bytes } = file;
    const own = join(name, path);
    const named = redaction === undefined ? plain(source, file, own) : redacted(source, file, own, redaction);
    let { key } = named;
    // Two names that were of one subject each are two files still.
    for (let n = 2; byKey.has(key); n += 1) key = `${named.key}~${n}`;
    const why = unreadable(path, bytes);
    byKey.set(key, { ...named, key, ...(why !== undefined && { unreadable: why }) });
    at.set(key, file.at);
  }
  return {
    async *list() {
      yield* byKey.values();
    },
    read: async (key) => ({ kind: 'read', bytes: await readFile(at.get(key) as string) }),
  };
}

function plain(source: SourceName, { path, hash }: SourceFile, own: string): OriginFile {
  return { key: keyOf(source, path), path: own, hash };
}

/** The source keeps its name, by which it is found again. */
function redacted(
  source: SourceName,
  { path, hash }: SourceFile,
  own: string,
  redaction: Redaction,
): OriginFile {
  const redactor = redaction.redactor();
  return {
    key: keyOf(source, redactor.text(path)),
    path: redactor.text(own),
    hash: redaction.key.blind(hash),
    pseudonyms: redaction.sealed(redactor),
  };
}
