/**
 * Whether what a store keeps is what its names say: every content is read and hashed, and looked for from every manifest.
 * Changes nothing; `setAside` does, where its caller has the store to itself.
 *
 * 1. A content's name is made of its chunks' digests, so each is judged by itself, one chunk in memory at a time.
 * 2. The store may be in use. It lets go of a manifest before what that names, and names what is there: so what is missing
 *    counts only while the manifest is still there.
 */
import { createHash } from 'node:crypto';
import { type FileHandle, mkdir, readFile, rename } from 'node:fs/promises';
import { join } from 'node:path';
import { isMissing, namesIn, sizeIfThere } from '../missing.ts';
import { type Manifest, pieceBytes, readManifest } from './manifest.ts';
import { contentId, holeDigest, Pieces } from './pieces.ts';
import { openFile } from './read-pieces.ts';

export interface BadArtifact {
  /** `sha256:…`, as its file is named. */
  readonly digest: string;
  readonly what: string;
  /** Contents of it that are not what their names say. */
  readonly contents: readonly string[];
}

export interface StoreCheckOptions {
  readonly signal: AbortSignal;
  readonly onRead: (bytes: number, of: number) => void;
  /** Is waited for. */
  readonly onBad: (bad: BadArtifact) => Promise<void> | void;
}

export interface StoreCheck {
  readonly artifacts: number;
  /** That were read. */
  readonly bytes: number;
  readonly bad: number;
}

/** `folder`: of a store, which may not be there. Rejects with what the file system says of the folder, and when it is aborted. */
export async function checkStore(folder: string, options: StoreCheckOptions): Promise<StoreCheck> {
  const { bytes, wrong } = await readContents(join(folder, 'files'), options);
  let [artifacts, bad] = [0, 0];
  for (const name of await namesIn(join(folder, 'artifacts'))) {
    options.signal.throwIfAborted();
    // A draft of one that comes, or that a crash left.
    if (name.endsWith('.tmp')) continue;
    const found = await judge(folder, name, wrong);
    if (found === null) continue;
    artifacts += 1;
    if (found === 'sound') continue;
    bad += 1;
    await options.onBad(found);
  }
  return { artifacts, bytes, bad };
}

/** Out of the store, into a folder on its disk: the manifest first, since what no manifest names is nobody's. */
export async function setAside(
  folder: string,
  { digest, contents }: BadArtifact,
  into: string,
): Promise<void> {
  for (const kind of ['artifacts', 'files']) await mkdir(join(into, kind), { recursive: true, mode: 0o700 });
  await move(folder, into, join('artifacts', nameOf(digest)));
  for (const id of contents) await move(folder, into, join('files', id));
}

async function move(folder: string, into: string, name: string): Promise<void> {
  try {
    await rename(join(folder, name), join(into, name));
  } catch (error) {
    // Another artifact that has the same content took it along.
    if (!isMissing(error)) throw error;
  }
}

async function readContents(
  folder: string,
  { signal, onRead }: StoreCheckOptions,
): Promise<{ readonly bytes: number; readonly wrong: ReadonlyMap<string, string> }> {
  const ids = await namesIn(folder);
  let [done, of] = [0, 0];
  for (const id of ids) of += (await sizeIfThere(join(folder, id))) ?? 0;
  const wrong = new Map<string, string>();
  const memory = Buffer.allocUnsafe(pieceBytes);
  for (const id of ids) {
    signal.throwIfAborted();
    const what = await wrongWith(join(folder, id), id, memory, signal, (bytes) => {
      done += bytes;
      onRead(done, of);
    });
    if (what !== undefined) wrong.set(id, what);
  }
  return { bytes: done, wrong };
}

/** Undefined of one that is right, and of one that is gone: whoever names it misses it. */
async function wrongWith(
  path: string,
  id: string,
  memory: Buffer,
  signal: AbortSignal,
  onRead: (bytes: number) => void,
): Promise<string | undefined> {
  let file: FileHandle | undefined;
  try {
    file = await openFile(path);
    const digests: Buffer[] = [];
    let bytes = 0;
    for (let chunk = await fill(file, memory, 0); chunk.length > 0; chunk = await fill(file, memory, bytes)) {
      bytes += chunk.length;
      digests.push(digestOf(chunk));
      onRead(chunk.length);
      signal.throwIfAborted();
    }
    const found = contentId({ bytes, executable: id.endsWith('x'), chunks: Buffer.concat(digests) });
    return found === id ? undefined : 'what is in it is not what was stored: it has another sha-256';
  } catch (error) {
    if (isMissing(error)) return undefined;
    // What the disk, or whoever put something else there, is to blame for; anything else ends the check.
    if (signal.aborted || !isOfFile(error)) throw error;
    return `it cannot be read: ${error.message}`;
  } finally {
    await file?.close();
  }
}

/** A chunk, as far as there is one at this offset. */
async function fill(file: FileHandle, memory: Buffer, at: number): Promise<Buffer> {
  let length = 0;
  while (length < memory.length) {
    const { bytesRead } = await file.read(memory, length, memory.length - length, at + length);
    if (bytesRead === 0) break;
    length += bytesRead;
  }
  return memory.subarray(0, length);
}

let zeros: Buffer | undefined;
/** Of holes it is known: comparing costs a tenth of hashing. */
function digestOf(chunk: Buffer): Buffer {
  zeros ??= Buffer.alloc(pieceBytes);
  return chunk.equals(zeros) ? holeDigest() : createHash('sha256').update(chunk).digest();
}

/** Null of a manifest that has gone meanwhile. */
async function judge(
  folder: string,
  name: string,
  wrong: ReadonlyMap<string, string>,
): Promise<BadArtifact | 'sound' | null> {
  const path = join(folder, 'artifacts', name);
  const digest = `sha256:${name}`;
  const manifest = await manifestIn(path, digest);
  if (manifest === null) return null;
  if (typeof manifest === 'string') return { digest, what: manifest, contents: [] };
  const contents: string[] = [];
  let what: string | undefined;
  for (const { id, entry } of new Pieces(manifest).contents) {
    const file = entry.path === '' ? 'its file' : `its file ${JSON.stringify(entry.path)}`;
    const said = wrong.get(id);
    if (said !== undefined) contents.push(id);
    else if ((await sizeIfThere(join(folder, 'files', id))) !== undefined) continue;
    else if ((await sizeIfThere(path)) === undefined) return null;
    what ??= `${file}, ${id}: ${said ?? 'it is not there'}`;
  }
  return what === undefined ? 'sound' : { digest, what, contents };
}

/** Or what is wrong with it; null when it is not there any more. */
async function manifestIn(path: string, digest: string): Promise<Manifest | string | null> {
  try {
    const read = readManifest(await readFile(path));
    if ('code' in read) return `its list of files cannot be read: ${read.message}`;
    return read.digest === digest ? read : 'its list of files is not what was stored: it has another sha-256';
  } catch (error) {
    if (isMissing(error)) return null;
    if (!isOfFile(error)) throw error;
    return `its list of files cannot be read: ${error.message}`;
  }
}

const ofFile: ReadonlySet<unknown> = new Set(['EIO', 'EUCLEAN', 'EBADMSG', 'ELOOP', 'EISDIR', 'ENXIO']);

function isOfFile(error: unknown): error is Error {
  return error instanceof Error && (!('code' in error) || ofFile.has(error.code));
}

function nameOf(digest: string): string {
  return digest.replace(/^sha256:/, '');
}
