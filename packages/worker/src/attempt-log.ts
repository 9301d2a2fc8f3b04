/**
 * The output of one running attempt, on its way to a file.
 *
 * 1. The file never exceeds `maxBytes` and one line that says so; the rest is dropped, the attempt runs on.
 * 2. A disk that refuses costs the rest of the log, never the attempt; whoever reads the log is told where and why it
 *    ends: by its last line where that can still be written, else by `epilogue`.
 */

import { constants } from 'node:fs';
import { type FileHandle, open, rm } from 'node:fs/promises';
import { isMissing } from '@gryphgen/runtime';

const { O_RDWR, O_APPEND, O_NOFOLLOW, O_CREAT, O_EXCL } = constants;

/** What executors write into. Await each write: that is the back-pressure. */
export interface LogWriter {
  /** False when the log takes no more. */
  write(bytes: Uint8Array): Promise<boolean>;
  /** Idempotent; later writes are dropped. */
  end(): Promise<void>;
}

export class AttemptLog implements LogWriter {
  readonly path: string;
  private readonly maxBytes: number;
  private readonly onProblem: (error: unknown) => void;
  private readonly onEnd: (log: AttemptLog) => void;
  private file: FileHandle | null = null;
  private written = 0;
  /** Of what is written, so much was told again and is the same. */
  private retold = 0;
  /** Nothing more is taken: the end was asked for, the log is full, or the disk refused. */
  private deaf = false;
  private full = false;
  private closed = false;
  private problem = '';
  private remarks = '';
  /** The last byte written is a line's end. */
  private endsLine = false;
  private last: Promise<void> = Promise.resolve();
  private readonly waiting = new Set<() => void>();

  constructor(
    path: string,
    maxBytes: number,
    onProblem: (error: unknown) => void,
    onEnd: (log: AttemptLog) => void,
  ) {
    this.path = path;
    this.maxBytes = maxBytes;
    this.onProblem = onProblem;
    this.onEnd = onEnd;
  }

  /** An older file of this name is another attempt's (task numbers of ephemeral tasks return): who reads it keeps it. */
  begin(): void {
    this.last = this.guarded(() => rm(this.path, { force: true }));
  }

  /**
   * What is written from now on is the output told from its first byte again: what the file has of it stays, and is not
   * written twice. From where it is another, the file is told anew.
   */
  retell(): void {
    this.last = this.last.then(() =>
      this.guarded(async () => {
        if (this.deaf) return;
        this.file ??= await this.found();
        const { size } = (await this.file?.stat()) ?? { size: 0 };
        this.written = size;
        this.retold = 0;
        if (size > this.maxBytes) await this.cutOff();
        this.wakeReaders();
      }),
    );
  }

  /**
   * Goes on with the file of an earlier life, for an output of which the bytes from one position to another can still be
   * had. Resolves with the position from which they are wanted.
   */
  async goOn(held: { readonly from: number; readonly to: number }): Promise<number> {
    let position = held.to;
    this.last = this.guarded(async () => {
      position = await this.reopen(held);
      this.wakeReaders();
    });
    await this.last;
    return position;
  }

  get bytes(): number {
    return this.written;
  }

  get ended(): boolean {
    return this.closed;
  }

  /** What is not in the file and told after it: why it ends here, if it is not all there, and remarks. */
  get epilogue(): string {
    if (this.remarks === '') return this.lastWords;
    const atLineStart = this.written === 0 || this.endsLine || this.lastWords !== '';
    return `${this.lastWords}${atLineStart ? '' : '\n'}${this.remarks}`;
  }

  /** A line of the grid's own. Not in the file, which has the output byte for byte: an earlier or later life counts on it. */
  remark(words: string): void {
    this.remarks += `[gryphgen: ${words}]\n`;
  }

  private get lastWords(): string {
    return this.problem === '' ? '' : `\n[gryphgen: the rest of the log is lost: ${this.problem}]\n`;
  }

  /** Calls `wake` once, when there is more to read or nothing more will come; returns how to take that back. */
  onGrowth(wake: () => void): () => void {
    if (this.closed) wake();
    else this.waiting.add(wake);
    return () => this.waiting.delete(wake);
  }

  async write(bytes: Uint8Array): Promise<boolean> {
    if (!this.deaf) this.last = this.last.then(() => this.guarded(() => this.append(bytes)));
    await this.last;
    return !this.full;
  }

  end(): Promise<void> {
    this.deaf = true;
    this.last = this.last.then(async () => {
      if (this.closed) return;
      await this.close();
      this.closed = true;
      this.wakeReaders();
      this.onEnd(this);
    });
    return this.last;
  }

  private async append(all: Uint8Array): Promise<void> {
    if (this.full) return;
    const bytes = this.retold < this.written ? await this.beyondRetold(all) : all;
    if (this.retold < this.written) return;
    const room = this.maxBytes - this.written;
    await this.put(bytes.subarray(0, room));
    if (bytes.length > room) await this.cutOff();
    this.wakeReaders();
  }

  /** What of these bytes the file does not have yet. */
  private async beyondRetold(bytes: Uint8Array): Promise<Uint8Array> {
    const length = Math.min(bytes.length, this.written - this.retold);
    const { buffer } = (await this.file?.read(Buffer.alloc(length), 0, length, this.retold)) ?? {};
    if (buffer !== undefined && Buffer.compare(buffer, bytes.subarray(0, length)) === 0) {
      this.retold += length;
      return bytes.subarray(length);
    }
    await this.file?.truncate(this.retold);
    this.written = this.retold;
    return bytes;
  }

  /** The file of an earlier life; null when it wrote nothing. */
  private async found(): Promise<FileHandle | null> {
    try {
      const file = await open(this.path, O_RDWR | O_APPEND | O_NOFOLLOW);
      // What was copied of it is not all of it any more (LogStore, 4).
      await file.chmod(0o600);
      return file;
    } catch (error) {
      if (isMissing(error)) return null;
      throw error;
    }
  }

  private async cutOff(): Promise<void> {
    this.full = true;
    this.deaf = true;
    // Of an earlier life's words that say so there may be a part only.
    if (this.written > this.maxBytes) {
      await this.file?.truncate(this.maxBytes);
      this.written = this.maxBytes;
    }
    await this.put(Buffer.from(`\n[gryphgen: the log is cut off here, at ${this.maxBytes} bytes]\n`));
  }

  private async reopen({ from, to }: { readonly from: number; readonly to: number }): Promise<number> {
    this.file = await this.found();
    const { size } = (await this.file?.stat()) ?? { size: 0 };
    this.written = size;
    this.retold = size;
    if (size > this.maxBytes) {
      await this.cutOff();
      return to;
    }
    if (size < from) throw new Error(`the disk had not taken ${from - size} bytes of it`);
    if (size <= to) return size;
    // It ends with words of its own: why the rest is lost.
    this.full = true;
    this.deaf = true;
    return to;
  }

  private async put(bytes: Uint8Array): Promise<void> {
    // O_EXCL: the name is free now, and a link that somebody put there is not followed.
    this.file ??= await open(this.path, O_RDWR | O_APPEND | O_CREAT | O_EXCL, 0o600);
    await this.file.writeFile(bytes);
    this.written += bytes.length;
    this.retold = this.written;
    if (bytes.length > 0) this.endsLine = bytes.at(-1) === 0x0a;
  }

  private async close(): Promise<void> {
    // Empty, it says that nothing was written: a worker that finds no file cannot tell that from a log it has let go of.
    if (this.file === null && this.problem === '')
      this.file = await open(this.path, 'wx', 0o600).catch(() => null);
    await this.guarded(async () => {
      if (this.problem !== '' && this.file !== null) await this.recordProblem(this.file);
    });
    await this.guarded(async () => this.file?.close());
  }

  /** The refused write may have left a part of itself; this one must not, or its words would be told in two halves. */
  private async recordProblem(file: FileHandle): Promise<void> {
    this.written = (await file.stat()).size;
    try {
      await this.put(Buffer.from(this.lastWords));
      this.problem = '';
    } catch {
      await file.truncate(this.written);
    }
  }

  private wakeReaders(): void {
    const waking = [...this.waiting];
    this.waiting.clear();
    for (const wake of waking) wake();
  }

  private async guarded(work: () => Promise<unknown>): Promise<void> {
    try {
      await work();
    } catch (error) {
      this.deaf = true;
      if (!this.full) this.onProblem(error);
      if (this.problem === '') this.problem = error instanceof Error ? error.message : String(error);
      this.full = true;
    }
  }
}
