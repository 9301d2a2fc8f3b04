/**
 * A file or folder of this machine as an artifact: looked through once to name it, read again when it is sent.
 *
 * 1. Nothing outside of it is read: links within are kept as links, and refused where they lead out of it.
 * 2. What is no file, folder or link (a socket, a device, a pipe) is refused: it cannot be brought anywhere.
 * 3. A file that changes between the two readings is found out by whoever receives it.
 */
import { createHash } from 'node:crypto';
import type { Stats } from 'node:fs';
import { type FileHandle, lstat, opendir, readlink } from 'node:fs/promises';
import { join } from 'node:path';
import { type Failure, failure, limits } from '@gryphgen/protocol';
import {
  type Entry,
  type FileEntry,
  type Manifest,
  pieceBytes,
  staysInside,
  writeManifest,
} from './manifest.ts';
import { contentId, holeDigest } from './pieces.ts';
import { openFile, readBytes } from './read-pieces.ts';

const zeros = Buffer.alloc(readBytes);

export interface Scanned {
  readonly manifest: Manifest;
  /** Where each content is, by its id. */
  readonly sources: ReadonlyMap<string, string>;
}

export interface ScanOptions {
  readonly signal?: AbortSignal;
  /** What it is called in words, if not by its path. */
  readonly name?: string;
  /** Files, folders and links; absent: as many as an artifact may have. */
  readonly maxEntries?: number;
  /** Of all files, holes included; absent: as many as an artifact may have. */
  readonly maxBytes?: number;
  /** What is left out, by its path in the artifact, instead of being brought or refused. */
  readonly passOver?: (path: string, found: Stats) => boolean;
  /** Bytes looked at so far. */
  readonly onRead?: (bytes: number) => void;
}

/** The reason when it cannot be an artifact, or cannot be read. A `root` that is a link is refused. */
export async function scanPath(root: string, options: ScanOptions = {}): Promise<Scanned | Failure> {
  const { name = root } = options;
  const scan = new Scan(options);
  try {
    await scan.add(root, '');
  } catch (error) {
    if (error instanceof Refused) return { ...error.why, message: `${name}${error.message}` };
    const words = error instanceof Error ? error.message.replaceAll(root, name) : String(error);
    return failure('rejected.invalid', `${name} cannot be read: ${words}`);
  }
  const manifest = writeManifest(scan.entries);
  if ('code' in manifest) return { ...manifest, message: `${name}: ${manifest.message}` };
  return { manifest, sources: scan.sources };
}

/** What follows the artifact's name, in words. */
class Refused extends Error {
  readonly why: Failure;
  constructor(words: string, code: Failure['code'] = 'rejected.invalid') {
    super(words);
    this.why = failure(code, words);
  }
}

class Scan {
  readonly entries: Entry[] = [];
  readonly sources = new Map<string, string>();
  private readonly options: ScanOptions;
  private bytes = 0;
  /** How many are in the folders seen so far. */
  private named = 0;

  constructor(options: ScanOptions) {
    this.options = options;
  }

  async add(at: string, path: string): Promise<void> {
    const found = await lstat(at);
    if (path !== '' && this.options.passOver?.(path, found)) return;
    if (found.isFile()) await this.addFile(at, path);
    else if (found.isDirectory()) await this.addFolder(at, path);
    else if (found.isSymbolicLink() && path !== '') await this.addLink(at, path);
    else
      throw new Refused(
        `${below(path)} is ${kindOf(found)}: an artifact holds files, folders and links within it`,
      );
  }

  private async addFolder(at: string, path: string): Promise<void> {
    if (path !== '') this.entries.push({ kind: 'folder', path });
    const names = await this.namesIn(at);
    if (path === '' && names.length === 0)
      throw new Refused(` is an empty folder: there is nothing to bring`);
    for (const name of names) await this.add(join(at, name), path === '' ? name : `${path}/${name}`);
  }

  /** Sorted. There may be millions: those beyond the limit are not looked for. */
  private async namesIn(at: string): Promise<readonly string[]> {
    const { signal, maxEntries = limits.artifactEntries } = this.options;
    const names: string[] = [];
    for await (const { name } of await opendir(at)) {
      signal?.throwIfAborted();
      this.named += 1;
      if (this.named > maxEntries)
        throw new Refused(`: there are more than ${maxEntries} files and folders`, 'rejected.limit');
      names.push(name);
    }
    return names.sort();
  }

  private async addLink(at: string, path: string): Promise<void> {
    const target = await readlink(at);
    if (!staysInside(path, target))
      throw new Refused(
        `${below(path)} is a link that leads out of the artifact, to ${JSON.stringify(target)}`,
      );
    this.entries.push({ kind: 'link', path, target });
  }

  private async addFile(at: string, path: string): Promise<void> {
    const file = await openFile(at);
    try {
      const { mode, size } = await file.stat();
      // Before it is read: a sparse file of some terabytes costs its owner nothing to make.
      this.mustFit(size);
      const chunks: Buffer[] = [];
      let bytes = 0;
      for (;;) {
        const { digest, read } = await this.hashPiece(file, bytes);
        if (read === 0) break;
        bytes += read;
        this.bytes += read;
        this.mustFit(0);
        chunks.push(digest);
        if (read < pieceBytes) break;
      }
      const executable = (mode & 0o111) !== 0;
      const entry: FileEntry = { kind: 'file', path, executable, bytes, chunks: Buffer.concat(chunks) };
      this.entries.push(entry);
      this.sources.set(contentId(entry), at);
    } finally {
      await file.close();
    }
  }

  private mustFit(more: number): void {
    const { maxBytes = limits.artifactBytes } = this.options;
    if (this.bytes + more > maxBytes)
      throw new Refused(`: there are more than ${maxBytes} bytes`, 'rejected.limit');
  }

  private async hashPiece(file: FileHandle, at: number): Promise<{ digest: Buffer; read: number }> {
    const hash = createHash('sha256');
    const buffer = Buffer.allocUnsafe(readBytes);
    let read = 0;
    /** From its start: a hole is not worth hashing. */
    let zeroBytes = 0;
    const hashZeros = (): void => {
      for (; zeroBytes > 0; zeroBytes -= readBytes)
        hash.update(zeros.subarray(0, Math.min(zeroBytes, readBytes)));
    };
    while (read < pieceBytes) {
      this.options.signal?.throwIfAborted();
      const { bytesRead } = await file.read(buffer, 0, Math.min(readBytes, pieceBytes - read), at + read);
      if (bytesRead === 0) break;
      const bytes = buffer.subarray(0, bytesRead);
      if (zeroBytes === read && isZero(bytes)) zeroBytes += bytesRead;
      else {
        hashZeros();
        hash.update(bytes);
        zeroBytes = -1;
      }
      read += bytesRead;
      this.options.onRead?.(this.bytes + read);
    }
    if (zeroBytes === pieceBytes) return { digest: holeDigest(), read };
    hashZeros();
    return { digest: hash.digest(), read };
  }
}

function isZero(bytes: Buffer): boolean {
  return zeros.subarray(0, bytes.length).equals(bytes);
}

function below(path: string): string {
  return path === '' ? '' : `/${path}`;
}

function kindOf(found: Awaited<ReturnType<typeof lstat>>): string {
  if (found.isSymbolicLink()) return 'a link';
  if (found.isFIFO()) return 'a pipe';
  if (found.isSocket()) return 'a socket';
  return 'a device';
}
