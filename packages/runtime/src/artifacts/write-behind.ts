/**
 * Writes a file somewhat behind whoever brings its bytes: the next are hashed while the last are written, and the disk has
 * begun long before the end, whose `sync` finds little left to do.
 *
 * 1. At most two batches are held: one that is written, one that fills. Who brings more waits. What is brought is copied
 *    there, so that what it came in is free at once.
 * 2. What goes wrong behind its caller is told by the next call, and by each after that.
 * 3. With a direct file the page cache is passed by, where that can be done; the rest goes through it, into the same file.
 */
import type { FileHandle } from 'node:fs/promises';
import { type BatchPair, directUnitBytes, isNotOffered } from './direct-writes.ts';
import { writeAll } from './disk.ts';

/** What is in the processor's cache when it is written. */
const batchBytes = 128 * 1024;
/** The disk is told to write whenever so much is new to it. */
const syncBytes = 32 * 1024 * 1024;

/** The same file, opened once more by `openDirect`, and what it is written from. */
export interface DirectFile {
  readonly file: FileHandle;
  readonly batches: BatchPair;
}

export class WriteBehind {
  private readonly file: FileHandle;
  private direct: FileHandle | undefined;
  /** The one that fills, and the one that is written or comes next. */
  private filling: Buffer | null = null;
  private spare: Buffer | null = null;
  private filledBytes = 0;
  /** In the file, of the first byte held. */
  private at = 0;
  private writing: Promise<void> = Promise.resolve();
  private unsyncedBytes = 0;
  private syncing: Promise<void> | null = null;
  private problem: { readonly error: unknown } | null = null;

  constructor(file: FileHandle, direct?: DirectFile) {
    this.file = file;
    this.direct = direct?.file;
    [this.filling = null, this.spare = null] = direct?.batches ?? [];
  }

  /** Resolves when more may come; rejects with what the file system says. */
  async write(bytes: Uint8Array, at: number): Promise<void> {
    if (at !== this.at + this.filledBytes) {
      await this.writeHeld();
      this.at = at;
    }
    for (let done = 0; done < bytes.length; ) {
      this.filling ??= Buffer.allocUnsafeSlow(batchBytes);
      const part = bytes.subarray(done, done + this.filling.length - this.filledBytes);
      this.filling.set(part, this.filledBytes);
      this.filledBytes += part.length;
      done += part.length;
      if (this.filledBytes === this.filling.length) await this.writeHeld();
    }
    this.check();
  }

  /** Resolves when all of it is in the file, and nothing more is done to that. */
  async settle(): Promise<void> {
    await this.writeHeld();
    await this.writing;
    await this.syncing;
    this.check();
  }

  /** Resolves when the batch before is written and this one is on its way. */
  private async writeHeld(): Promise<void> {
    await this.writing;
    const { filling, filledBytes, at } = this;
    if (filling === null || filledBytes === 0) return;
    this.filling = this.spare;
    this.spare = filling;
    this.at += filledBytes;
    this.filledBytes = 0;
    this.writing = this.writeAt(filling.subarray(0, filledBytes), at).catch((error: unknown) =>
      this.note(error),
    );
  }

  private async writeAt(bytes: Buffer, at: number): Promise<void> {
    const past = await this.writeDirect(bytes, at);
    if (past === bytes.length) return;
    const rest = bytes.subarray(past);
    await writeAll(this.file, rest, at + past);
    this.unsyncedBytes += rest.length;
    if (this.unsyncedBytes < syncBytes || this.syncing !== null) return;
    this.unsyncedBytes = 0;
    this.syncing = this.file
      .datasync()
      .catch((error: unknown) => this.note(error))
      .finally(() => {
        this.syncing = null;
      });
  }

  /** How many of the bytes, from the first, are in the file by it. */
  private async writeDirect(bytes: Buffer, at: number): Promise<number> {
    const whole = at % directUnitBytes === 0 ? bytes.length - (bytes.length % directUnitBytes) : 0;
    if (this.direct === undefined || whole === 0) return 0;
    try {
      await writeAll(this.direct, bytes.subarray(0, whole), at);
      return whole;
    } catch (error) {
      if (!isNotOffered(error)) throw error;
      this.direct = undefined;
      return 0;
    }
  }

  private note(error: unknown): void {
    this.problem ??= { error };
  }

  private check(): void {
    if (this.problem !== null) throw this.problem.error;
  }
}
