/**
 * What is added to a collection, as it is written: a path, `git+file:///path@revision` or PATH@REVISION, `https://…`, `stdin:NAME`.
 * It is kept by that name, and found by it again.
 */
import { realpath, stat } from 'node:fs/promises';
import { basename, resolve } from 'node:path';
import { documentAddress } from '@gryphgen/client';
import { isMissing } from '@gryphgen/runtime';
import { printable } from '../printable.ts';
import { UsageError } from '../problem.ts';

export type SourcePlace =
  | { readonly kind: 'path'; readonly path: string }
  /** `folder`: within a repository; what is below it is meant. */
  | { readonly kind: 'git'; readonly folder: string; readonly revision: string }
  /** A document of the web. */
  | { readonly kind: 'web'; readonly url: URL }
  | { readonly kind: 'stdin'; readonly name: string };

const gitPrefix = 'git+file://';
const stdinPrefix = 'stdin:';

/** What the collection knows it by. */
export function sourceName(place: SourcePlace): string {
  switch (place.kind) {
    case 'path':
      return place.path;
    case 'git':
      return `${gitPrefix}${place.folder}@${place.revision}`;
    case 'web':
      return place.url.href;
    case 'stdin':
      return `${stdinPrefix}${place.name}`;
    default:
      return place satisfies never;
  }
}

/** As a person wrote it. Throws UsageError for what is not there, GridError for an address that nothing is brought from. */
export async function writtenPlace(text: string): Promise<SourcePlace> {
  const url = documentAddress(text);
  if (url !== undefined) return { kind: 'web', url };
  if (text.startsWith(stdinPrefix)) return { kind: 'stdin', name: stdinName(text.slice(stdinPrefix.length)) };
  if (text.startsWith(gitPrefix)) {
    const rest = text.slice(gitPrefix.length);
    const found = await splitRevision(rest);
    if (found !== undefined) return found;
    const folder = await folderAt(rest);
    if (folder !== undefined) return { kind: 'git', folder, revision: 'HEAD' };
    throw new UsageError(
      `found ${JSON.stringify(text)}, expected ${gitPrefix}/PATH@REVISION of a folder of this machine`,
    );
  }
  const path = await realpath(text).catch((error: unknown) => {
    if (isMissing(error)) return undefined;
    throw error;
  });
  if (path !== undefined) return { kind: 'path', path };
  const found = await splitRevision(text);
  if (found !== undefined) return found;
  throw new UsageError(`${printable(text)} is not there`);
}

/** As the collection knows it. Throws GridError for an address that nothing is brought from. */
export function knownPlace(name: string): SourcePlace {
  if (name.startsWith(stdinPrefix)) return { kind: 'stdin', name: name.slice(stdinPrefix.length) };
  const url = documentAddress(name);
  if (url !== undefined) return { kind: 'web', url };
  if (!name.startsWith(gitPrefix)) return { kind: 'path', path: name };
  const rest = name.slice(gitPrefix.length);
  // The path may have one too, and so may a revision; no revision with one is taken.
  const at = rest.lastIndexOf('@');
  return { kind: 'git', folder: rest.slice(0, at), revision: rest.slice(at + 1) };
}

/** What it would be known by, whether it is there or not. */
export async function nameToRemove(text: string): Promise<string> {
  if (text.startsWith(stdinPrefix) || text.startsWith(gitPrefix)) return text;
  const url = documentAddress(text);
  if (url !== undefined) return url.href;
  return await realpath(text).catch(() => resolve(text));
}

export function stdinName(name: string): string {
  const isName =
    name !== '' && name === basename(name) && name.length <= 255 && !/\p{Cc}|^\.{1,2}$/u.test(name);
  if (isName) return name;
  throw new UsageError(`found the name ${JSON.stringify(name)}, expected a file's, such as notes.md`);
}

async function splitRevision(text: string): Promise<SourcePlace | undefined> {
  const at = text.lastIndexOf('@');
  const revision = text.slice(at + 1);
  if (at < 1) return undefined;
  const folder = await folderAt(text.slice(0, at));
  if (folder === undefined) return undefined;
  if (!/^[^-\s\p{Cc}][^\s\p{Cc}]{0,255}$/u.test(revision))
    throw new UsageError(
      `found the revision ${JSON.stringify(revision)}, expected a commit, branch or tag without "@" and a dash in front`,
    );
  return { kind: 'git', folder, revision };
}

async function folderAt(path: string): Promise<string | undefined> {
  try {
    return (await stat(path)).isDirectory() ? await realpath(path) : undefined;
  } catch (error) {
    if (isMissing(error)) return undefined;
    throw error;
  }
}
