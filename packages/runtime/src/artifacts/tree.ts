/**
 * An artifact as files and folders. Laid out in a store, its files are the store's own, read-only, and must stay as they
 * are; copied out, they are whoever's who asked.
 *
 * 1. A tree that is laid out gets its place by a rename: it is whole, or not there.
 * 2. A copy writes nothing through a link: it goes into folders that it made itself.
 */
import { chmod, type FileHandle, link, mkdir, open, readdir, rename, rm, symlink } from 'node:fs/promises';
import { join } from 'node:path';
import { writeAll } from './disk.ts';
import type { Manifest } from './manifest.ts';
import { Pieces, pieceOf } from './pieces.ts';
import { readPieces } from './read-pieces.ts';

const readable = 0o555;

/** `fileOf`: where a content is. */
export async function layOut(
  manifest: Manifest,
  fileOf: (id: string) => string,
  tree: string,
): Promise<void> {
  const draft = `${tree}.tmp`;
  await removeTree(draft);
  await mkdir(draft);
  const pieces = new Pieces(manifest);
  for (const entry of manifest.entries) {
    const path = join(draft, entry.path);
    if (entry.kind === 'folder') await mkdir(path);
    else if (entry.kind === 'link') await symlink(entry.target, path);
    else await link(fileOf(pieces.contentAt(entry.path).id), path);
  }
  for (const entry of [...manifest.entries].reverse())
    if (entry.kind === 'folder') await chmod(join(draft, entry.path), readable);
  await chmod(draft, readable);
  await rename(draft, tree);
}

/** Folders of a tree are read-only: who is not root cannot empty them as they are. */
export async function removeTree(tree: string): Promise<void> {
  await openFolders(tree).catch(() => undefined);
  await rm(tree, { recursive: true, force: true });
}

async function openFolders(folder: string): Promise<void> {
  await chmod(folder, 0o700);
  for (const entry of await readdir(folder, { withFileTypes: true }))
    if (entry.isDirectory()) await openFolders(join(folder, entry.name));
}

/**
 * `to` must not be there, and the folder it is in must. `fileOf`: where a content is. Holes stay holes.
 * Rejects with what the file system says, and where a content is not all there.
 */
export async function copyOut(manifest: Manifest, fileOf: (id: string) => string, to: string): Promise<void> {
  const pieces = new Pieces(manifest);
  const [first] = manifest.entries;
  if (first?.path !== '') await mkdir(to);
  for (const entry of manifest.entries) {
    const path = entry.path === '' ? to : join(to, entry.path);
    if (entry.kind === 'folder') await mkdir(path);
    else if (entry.kind === 'link') await symlink(entry.target, path);
    else {
      const content = pieces.contentAt(entry.path);
      const file = await open(path, 'wx', entry.executable ? 0o777 : 0o666);
      try {
        for (let nth = 0; nth < content.count; nth += 1) {
          const piece = pieceOf(content, nth);
          if (!piece.isHole) await copyPiece(file, piece, fileOf);
        }
        await file.truncate(entry.bytes);
      } finally {
        await file.close();
      }
    }
  }
}

async function copyPiece(
  file: FileHandle,
  piece: ReturnType<typeof pieceOf>,
  fileOf: (id: string) => string,
): Promise<void> {
  let { at } = piece;
  for await (const bytes of readPieces([piece], fileOf)) {
    await writeAll(file, bytes, at);
    at += bytes.length;
  }
  // The copy gets its whole size all the same: what is missing would be zeros in it.
  if (at !== piece.at + piece.bytes)
    throw new Error(`${fileOf(piece.content.id)} has become shorter than it was`);
}
