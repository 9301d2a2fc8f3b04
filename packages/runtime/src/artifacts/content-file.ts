/** The file of a content that is on its way into a store, open to be written. */
import { type FileHandle, open, stat } from 'node:fs/promises';
import { type BatchPair, type DirectMemory, openDirect } from './direct-writes.ts';
import { WriteBehind } from './write-behind.ts';

/** From here on it is written past the page cache, where the store wants that. */
const largeBytes = 16 * 1024 * 1024;

interface Lent {
  readonly memory: DirectMemory;
  readonly batches: BatchPair;
}

export class ContentFile {
  readonly path: string;
  private readonly handle: FileHandle;
  private writer: WriteBehind;
  private direct: FileHandle | undefined;
  private lent: Lent | undefined;

  private constructor(path: string, handle: FileHandle) {
    this.path = path;
    this.handle = handle;
    this.writer = new WriteBehind(handle);
  }

  /** With what has come of it before. `bytes`: as long as it will be. Rejects with what the file system says. */
  static async open(path: string, bytes: number, memory: DirectMemory | undefined): Promise<ContentFile> {
    const isThere = (await stat(path).catch(() => undefined)) !== undefined;
    const file = new ContentFile(path, await open(path, isThere ? 'r+' : 'w+', 0o600));
    try {
      if (memory !== undefined && bytes >= largeBytes) await file.passCache(bytes, memory);
      return file;
    } catch (error) {
      await file.close();
      throw error;
    }
  }

  private async passCache(bytes: number, memory: DirectMemory): Promise<void> {
    const batches = memory.lend();
    if (batches === undefined) return;
    this.lent = { memory, batches };
    this.direct = await openDirect(this.path);
    if (this.direct === undefined) return this.giveBack();
    // As long as it will be: else each such write makes it longer, which costs more than the write.
    await this.handle.truncate(bytes);
    this.writer = new WriteBehind(this.handle, { file: this.direct, batches });
  }

  /** Resolves when more may come; rejects with what the file system says. */
  write(bytes: Uint8Array, at: number): Promise<void> {
    return this.writer.write(bytes, at);
  }

  /** Resolves when what was written is on disk, in a file of so many bytes. */
  async seal(bytes: number): Promise<void> {
    await this.writer.settle();
    await this.handle.truncate(bytes);
    await this.handle.sync();
  }

  /** Rejects with what went wrong behind its writer; it is closed then, too. */
  async close(): Promise<void> {
    try {
      await this.writer.settle();
    } finally {
      this.giveBack();
      await this.direct?.close();
      await this.handle.close();
    }
  }

  private giveBack(): void {
    this.lent?.memory.giveBack(this.lent.batches);
    this.lent = undefined;
  }
}
