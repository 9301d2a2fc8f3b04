/**
 * A copy of a store, or of some of its artifacts, in a folder of the same layout that is no store: for backups, and for a
 * store that is made of one.
 *
 * 1. Every byte is hashed on its way: what is not what its name says is left out, with whatever names it, and told.
 * 2. What is there already is not copied again. A content gets its place by a rename when all of it is on disk, a manifest
 *    when all its contents have theirs: a copy that is killed is gone on with.
 * 3. The store may be in use: what it lets go of meanwhile is not in the copy.
 */
import { createHash } from 'node:crypto';
import { chmod, type FileHandle, mkdir, open, readFile, rename, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { isMissing, namesIn, sizeIfThere } from '../missing.ts';
import { syncFolder, writeAll } from './disk.ts';
import { type Manifest, readManifest } from './manifest.ts';
import { type Content, Pieces, pieceOf, storedBytes } from './pieces.ts';
import { readPieces } from './read-pieces.ts';

export interface StoreCopyOptions {
  readonly signal: AbortSignal;
  /** How much was copied, of contents and holes alike. */
  readonly onCopied: (bytes: number) => void;
  /** These alone; absent: all that are there. */
  readonly only?: ReadonlySet<string>;
}

export interface StoreCopy {
  /** What the copy has now of what was to be copied. */
  readonly digests: readonly string[];
  /** What they take on disk, what two of them share counted twice. */
  readonly bytes: number;
  /** Left out, and why. */
  readonly damaged: readonly { readonly digest: string; readonly what: string }[];
}

/** Rejects with what the file system says, and when it is aborted. */
export async function copyStore(from: string, to: string, options: StoreCopyOptions): Promise<StoreCopy> {
  for (const kind of ['artifacts', 'files']) await mkdir(join(to, kind), { recursive: true, mode: 0o711 });
  const digests: string[] = [];
  const damaged: { digest: string; what: string }[] = [];
  let bytes = 0;
  for (const name of await namesIn(join(from, 'artifacts'))) {
    const digest = `sha256:${name}`;
    if (name.endsWith('.tmp') || (options.only !== undefined && !options.only.has(digest))) continue;
    options.signal.throwIfAborted();
    const encoded = await readIfThere(join(from, 'artifacts', name));
    if (encoded === null) continue;
    const manifest = readManifest(encoded);
    const what =
      'code' in manifest || manifest.digest !== digest
        ? 'its list of files is not what was stored'
        : await copyArtifact(manifest, name, { from, to }, options);
    if (what === 'gone') continue;
    if (what !== null) damaged.push({ digest, what });
    if (what !== null || 'code' in manifest) continue;
    digests.push(digest);
    for (const content of new Pieces(manifest).contents) bytes += storedBytes(content);
  }
  for (const kind of ['artifacts', 'files']) await syncFolder(join(to, kind));
  return { digests, bytes, damaged };
}

/** What is in a copy and not among these goes: manifests, then the contents that none names any more. */
export async function pruneCopy(folder: string, kept: ReadonlySet<string>): Promise<void> {
  const named = new Set<string>();
  for (const name of await namesIn(join(folder, 'artifacts'))) {
    const path = join(folder, 'artifacts', name);
    const manifest = kept.has(`sha256:${name}`) ? readManifest(await readFile(path)) : undefined;
    if (manifest === undefined || 'code' in manifest) await rm(path, { force: true });
    else for (const { id } of new Pieces(manifest).contents) named.add(id);
  }
  for (const id of await namesIn(join(folder, 'files')))
    if (!named.has(id)) await rm(join(folder, 'files', id), { force: true });
}

interface Way {
  readonly from: string;
  readonly to: string;
}

/** Null: it is there. Else what is wrong with it, or that the store let go of it meanwhile. */
async function copyArtifact(
  manifest: Manifest,
  name: string,
  { from, to }: Way,
  options: StoreCopyOptions,
): Promise<string | null> {
  const place = join(to, 'artifacts', name);
  for (const content of new Pieces(manifest).contents) {
    const path = join(to, 'files', content.id);
    // By its size: it was hashed when it came, and is again when a store is made of the copy.
    if ((await sizeIfThere(path)) === content.entry.bytes) continue;
    const source = join(from, 'files', content.id);
    const what = await copyContent(content, source, path, options);
    if (what === null) continue;
    await rm(`${path}.tmp`, { force: true });
    const isGone = (await sizeIfThere(join(from, 'artifacts', name))) === undefined;
    return isGone ? 'gone' : `its file ${JSON.stringify(content.entry.path)} ${what}`;
  }
  if ((await sizeIfThere(place)) === manifest.encoded.length) return null;
  await writeSynced(`${place}.tmp`, manifest.encoded);
  await rename(`${place}.tmp`, place);
  return null;
}

async function copyContent(
  content: Content,
  source: string,
  path: string,
  { signal, onCopied }: StoreCopyOptions,
): Promise<string | null> {
  const draft = `${path}.tmp`;
  const file = await openNew(draft, 0o600);
  try {
    for (let nth = 0; nth < content.count; nth += 1) {
      signal.throwIfAborted();
      const piece = pieceOf(content, nth);
      if (!piece.isHole && !(await copyPiece(file, piece, source)))
        return 'is not what was stored: it has another sha-256, or is cut';
      onCopied(piece.bytes);
    }
    await file.truncate(content.entry.bytes);
    await file.sync();
  } catch (error) {
    if (!isMissing(error)) throw error;
    return 'is not there';
  } finally {
    await file.close();
  }
  await chmod(draft, content.entry.executable ? 0o555 : 0o444);
  await rename(draft, path);
  return null;
}

/** False when what is read is something else. */
async function copyPiece(
  file: FileHandle,
  piece: ReturnType<typeof pieceOf>,
  source: string,
): Promise<boolean> {
  const hash = createHash('sha256');
  let { at } = piece;
  for await (const bytes of readPieces([piece], () => source)) {
    hash.update(bytes);
    await writeAll(file, bytes, at);
    at += bytes.length;
  }
  return hash.digest().equals(piece.digest);
}

/** What a crash left of one may be read-only by now. */
async function openNew(path: string, mode: number): Promise<FileHandle> {
  await rm(path, { force: true });
  return await open(path, 'wx', mode);
}

async function writeSynced(path: string, bytes: Uint8Array): Promise<void> {
  const file = await openNew(path, 0o400);
  try {
    await file.writeFile(bytes);
    await file.sync();
  } finally {
    await file.close();
  }
}

async function readIfThere(path: string): Promise<Buffer | null> {
  try {
    return await readFile(path);
  } catch (error) {
    if (isMissing(error)) return null;
    throw error;
  }
}
