/**
 * What a container left, as its engine gives it: a tar of one file or folder, unpacked in a folder of the worker's own. Or a
 * tar of anything (`isWhole`), below a folder that is made for it.
 *
 * 1. Nothing is written but below that folder, in folders made here: the first part of each name is what was asked for,
 *    the rest must be plain, and no entry goes through a link.
 * 2. Files, folders and links within it are all there may be; what is larger than can be kept is given up early.
 * 3. What is zeros in the tar is a hole in the file.
 */
import { type FileHandle, link, lstat, mkdir, open, symlink } from 'node:fs/promises';
import { dirname, join, resolve } from 'node:path';
import { type Failure, failure, limits } from '@gryphgen/protocol';
import { freeBytes, type TarEntry, TarWalk, writeAll } from '@gryphgen/runtime';

const blockBytes = 64 * 1024;
const zeros = Buffer.alloc(blockBytes);
/** Left free on the disk. */
const spareBytes = 256 * 1024 * 1024;
const lookEveryBytes = 64 * 1024 * 1024;

interface OpenFile {
  readonly handle: FileHandle;
  readonly bytes: number;
  done: number;
}

export interface UnpackOptions {
  /** Names are below the root as they are, and folders need not come before what is in them. */
  readonly isWhole?: boolean;
  readonly mostBytes?: number;
}

/** `root` must not be there; afterwards it is the file or folder. Null when all of it was unpacked. */
export async function unpackArchive(
  archive: AsyncIterable<Uint8Array>,
  root: string,
  { isWhole = false, mostBytes = limits.artifactBytes }: UnpackOptions = {},
): Promise<Failure | null> {
  if (isWhole) await mkdir(root, { mode: 0o700 });
  const unpacking = new Unpacking(root, isWhole, mostBytes);
  try {
    for await (const bytes of archive) {
      const why = await unpacking.take(Buffer.from(bytes));
      if (why !== null) return why;
    }
    return unpacking.problem;
  } finally {
    await unpacking.close();
  }
}

class Unpacking {
  private readonly root: string;
  private readonly isWhole: boolean;
  private readonly mostBytes: number;
  private readonly walk = new TarWalk();
  private position = 0;
  private header: Buffer[] = [];
  private file: OpenFile | undefined;
  private entries = 0;
  private bytes = 0;
  private lookAtBytes = 0;

  constructor(root: string, isWhole: boolean, mostBytes: number) {
    this.root = root;
    this.isWhole = isWhole;
    this.mostBytes = mostBytes;
  }

  /** At the end of the archive. */
  get problem(): Failure | null {
    if (this.walk.problem !== '') return refused(this.walk.problem);
    return this.walk.want === null || this.walk.mayEndAt(this.position)
      ? null
      : refused('its end is missing');
  }

  async take(piece: Buffer): Promise<Failure | null> {
    for (let at = 0; at < piece.length; ) {
      const { want } = this.walk;
      if (this.file !== undefined) {
        const part = piece.subarray(at, at + Math.min(blockBytes, this.file.bytes - this.file.done));
        await this.write(this.file, part);
        at += part.length;
      } else if (want === null) return this.problem;
      else if (this.position < want.at) {
        const skipped = Math.min(piece.length - at, want.at - this.position);
        this.position += skipped;
        at += skipped;
      } else {
        const got = this.position - want.at;
        const part = piece.subarray(at, at + want.bytes - got);
        this.header.push(part);
        this.position += part.length;
        at += part.length;
        if (got + part.length < want.bytes) continue;
        const entry = this.walk.give(Buffer.concat(this.header));
        this.header = [];
        const why = entry === undefined ? null : await this.begin(entry);
        if (why !== null) return why;
      }
    }
    return null;
  }

  async close(): Promise<void> {
    await this.file?.handle.close();
    this.file = undefined;
  }

  private async begin(entry: TarEntry): Promise<Failure | null> {
    const path = this.pathOf(entry.name);
    if (path === undefined)
      return refused(`it has a name that leads out of it: ${JSON.stringify(entry.name)}`);
    this.entries += 1;
    this.bytes += entry.bytes;
    if (this.entries > limits.artifactEntries)
      return tooLarge(`it has more than ${limits.artifactEntries} files and folders`);
    if (this.bytes > this.mostBytes) return tooLarge(`it has more than ${this.mostBytes} bytes`);
    if (this.isWhole) await this.makeFolders(entry.type === '5' ? path : dirname(path));
    if (!(await this.isOwn(dirname(path))))
      return refused(`${JSON.stringify(entry.name)} goes through a link`);
    return await this.make(entry, path);
  }

  private async make(entry: TarEntry, path: string): Promise<Failure | null> {
    switch (entry.type) {
      case '0':
      case '7':
        this.file = {
          handle: await open(path, 'wx', entry.executable ? 0o700 : 0o600),
          bytes: entry.bytes,
          done: 0,
        };
        if (entry.bytes === 0) await this.endFile(this.file);
        return null;
      case '5':
        // Made on the way there.
        if (this.isWhole) return null;
        await mkdir(path, { mode: 0o700 });
        return null;
      case '2':
        if (path === this.root) return refused('it is a link');
        if (this.isWhole && !resolve(dirname(path), entry.target).startsWith(`${this.root}/`))
          return refused(`${JSON.stringify(entry.name)} is a link that leads out of it`);
        await symlink(entry.target, path);
        return null;
      case '1': {
        const other = this.pathOf(entry.target);
        if (other === undefined || !(await this.isOwn(dirname(other))))
          return refused('it has a link that leads out of it');
        await link(other, path);
        return null;
      }
      default:
        return refused(`${JSON.stringify(entry.name)} is no file, folder or link`);
    }
  }

  private async write(file: OpenFile, part: Buffer): Promise<void> {
    if (!zeros.subarray(0, part.length).equals(part)) await writeAll(file.handle, part, file.done);
    file.done += part.length;
    this.position += part.length;
    this.lookAtBytes -= part.length;
    if (this.lookAtBytes < 0) {
      this.lookAtBytes = lookEveryBytes;
      if ((await freeBytes(dirname(this.root))) < spareBytes) throw new Error('the disk has no room for it');
    }
    if (file.done === file.bytes) await this.endFile(file);
  }

  private async endFile({ handle, bytes }: OpenFile): Promise<void> {
    await handle.truncate(bytes);
    await this.close();
  }

  /** Undefined when it is not below the root. */
  private pathOf(name: string): string | undefined {
    const all = name
      .replace(/^\.?\/+/, '')
      .replace(/\/+$/, '')
      .split('/');
    const parts = this.isWhole ? all.filter((part, at) => part !== '' || at > 0) : all.slice(1);
    if (parts.some((part) => part === '' || part === '.' || part === '..' || part.includes('\0')))
      return undefined;
    return join(this.root, ...parts);
  }

  /** Those that are missing; what is there instead of one is told by `isOwn`. */
  private async makeFolders(folder: string): Promise<void> {
    if (folder.length <= this.root.length || (await lstat(folder).catch(() => undefined)) !== undefined)
      return;
    await this.makeFolders(dirname(folder));
    if (await this.isOwn(dirname(folder))) await mkdir(folder, { mode: 0o700 });
  }

  /** Whether all folders from the root to this one are folders, and not links. */
  private async isOwn(folder: string): Promise<boolean> {
    for (let at = folder; at.length >= this.root.length; at = dirname(at))
      if (!(await lstat(at).catch(() => undefined))?.isDirectory()) return false;
    return true;
  }
}

function refused(words: string): Failure {
  return failure('rejected.invalid', words);
}

function tooLarge(words: string): Failure {
  return failure('rejected.limit', `it is too large: ${words}`);
}
