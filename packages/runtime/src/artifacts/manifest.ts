/**
 * What an artifact is: a manifest, which names each file's chunks by their sha-256. The artifact is named by the sha-256
 * of its manifest, so whoever knows that name can check all there is, chunk by chunk as it comes.
 *
 * 1. Nothing in it leads out of its folder: paths are plain and relative, a folder stands before what is in it, and a
 *    link goes up only from where it is and never above the root.
 * 2. A chunk of nothing but zeros has one name everywhere: it is never sent and takes no room (a hole).
 */
import { createHash } from 'node:crypto';
import { type Failure, failure, limits } from '@gryphgen/protocol';
import { z } from 'zod';

/** All of a file's chunks but the last have this size. */
export const pieceBytes = 4 * 1024 * 1024;
const digestBytes = 32;
const pathChars = 4096;

export type Entry =
  /** `chunks`: the sha-256 of each, in a row. The path of an artifact that is one file is ''. */
  | {
      readonly kind: 'file';
      readonly path: string;
      readonly executable: boolean;
      readonly bytes: number;
      readonly chunks: Buffer;
    }
  | { readonly kind: 'folder'; readonly path: string }
  | { readonly kind: 'link'; readonly path: string; readonly target: string };
export type FileEntry = Extract<Entry, { kind: 'file' }>;

export interface Manifest {
  /** `sha256:…` */
  readonly digest: string;
  /** As it is sent and hashed. */
  readonly encoded: Buffer;
  readonly entries: readonly Entry[];
  /** Of all files, holes included. */
  readonly bytes: number;
}

const path = z.string().max(pathChars);
const entrySchema = z.union([
  z.tuple([z.literal('f'), path, z.number().int().min(0).max(limits.artifactBytes), z.boolean(), z.base64()]),
  z.tuple([z.literal('d'), path]),
  z.tuple([z.literal('l'), path, path]),
]);
const manifestSchema = z.object({
  gryphgen: z.literal(1),
  entries: z.array(entrySchema).min(1).max(limits.artifactEntries),
});

function digestOf(bytes: Uint8Array): string {
  return `sha256:${createHash('sha256').update(bytes).digest('hex')}`;
}

/** `entries` in the order of a walk: a folder before what is in it. */
export function writeManifest(entries: readonly Entry[]): Manifest | Failure {
  const rows = entries.map((entry) => {
    if (entry.kind === 'folder') return ['d', entry.path];
    if (entry.kind === 'link') return ['l', entry.path, entry.target];
    return ['f', entry.path, entry.bytes, entry.executable, entry.chunks.toString('base64')];
  });
  return readManifest(Buffer.from(JSON.stringify({ gryphgen: 1, entries: rows })));
}

/** Or what is wrong with it. */
export function readManifest(encoded: Buffer): Manifest | Failure {
  if (encoded.length > limits.artifactManifestBytes)
    return tooLarge(
      `its list of files takes ${encoded.length} bytes, at most ${limits.artifactManifestBytes}`,
    );
  const parsed = manifestSchema.safeParse(json(encoded));
  if (!parsed.success) {
    const rows = json(encoded) as { entries?: { length?: number } } | undefined;
    const count = rows?.entries?.length ?? 0;
    if (count > limits.artifactEntries)
      return tooLarge(`it has ${count} files and folders, at most ${limits.artifactEntries}`);
    return wrong('its manifest makes no sense');
  }
  const entries = parsed.data.entries.map(
    (row): Entry =>
      row[0] === 'd'
        ? { kind: 'folder', path: row[1] }
        : row[0] === 'l'
          ? { kind: 'link', path: row[1], target: row[2] }
          : {
              kind: 'file',
              path: row[1],
              bytes: row[2],
              executable: row[3],
              chunks: Buffer.from(row[4], 'base64'),
            },
  );
  const problem = problemOf(entries);
  if (problem !== undefined) return wrong(problem);
  const bytes = entries.reduce((sum, entry) => sum + (entry.kind === 'file' ? entry.bytes : 0), 0);
  if (bytes > limits.artifactBytes) return tooLarge(`it has ${bytes} bytes, at most ${limits.artifactBytes}`);
  return { digest: digestOf(encoded), encoded, entries, bytes };
}

function problemOf(entries: readonly Entry[]): string | undefined {
  const [first] = entries;
  if (first?.kind === 'file' && first.path === '')
    return entries.length > 1 ? 'a file stands beside the whole' : chunksProblem(first);
  const folders = new Set(['']);
  const taken = new Set<string>();
  for (const entry of entries) {
    const shown = JSON.stringify(entry.path);
    if (!isPlain(entry.path)) return `the path ${shown} leads out of it`;
    if (taken.has(entry.path)) return `the path ${shown} is there twice`;
    if (!folders.has(parentOf(entry.path))) return `the folder of ${shown} is missing`;
    taken.add(entry.path);
    if (entry.kind === 'folder') folders.add(entry.path);
    if (entry.kind === 'file') {
      const problem = chunksProblem(entry);
      if (problem !== undefined) return problem;
    }
    if (entry.kind === 'link' && !staysInside(entry.path, entry.target))
      return `the link ${shown} leads out of it, to ${JSON.stringify(entry.target)}`;
  }
  return undefined;
}

function chunksProblem({ path: name, bytes, chunks }: FileEntry): string | undefined {
  const expected = Math.ceil(bytes / pieceBytes) * digestBytes;
  if (chunks.length === expected) return undefined;
  return `the file ${JSON.stringify(name)} names ${chunks.length / digestBytes} chunks for ${bytes} bytes`;
}

/** Relative, without '', '.', '..' and NUL. */
function isPlain(name: string): boolean {
  return (
    !name.includes('\0') &&
    name.split('/').every((part) => part !== '' && part !== '.' && part !== '..' && part.length <= 255)
  );
}

function parentOf(name: string): string {
  return name.slice(0, Math.max(0, name.lastIndexOf('/')));
}

/**
 * The folders above a link are real ones (1), so going up from it is exact; going down may lead through other links, and
 * after that up would be anywhere: `..` is taken at the start alone.
 */
export function staysInside(link: string, target: string): boolean {
  if (target === '' || target.startsWith('/') || target.includes('\0')) return false;
  const parts = target.split('/').filter((part) => part !== '' && part !== '.');
  const up = parts.findIndex((part) => part !== '..');
  const ups = up === -1 ? parts.length : up;
  return ups <= link.split('/').length - 1 && !parts.slice(ups).includes('..');
}

function json(encoded: Buffer): unknown {
  try {
    return JSON.parse(encoded.toString());
  } catch {
    return undefined;
  }
}

function wrong(words: string): Failure {
  return failure('rejected.invalid', `this is no artifact: ${words}`);
}

function tooLarge(words: string): Failure {
  return failure('rejected.limit', `this artifact is too large: ${words}`);
}
