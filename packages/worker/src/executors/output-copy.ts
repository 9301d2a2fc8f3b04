/**
 * Copies a container's output into an attempt's log: its beginning from a connection that was there before the container
 * where there is one, all else from the engine's log.
 *
 * 1. A connection gives the first `attachedBytes` and no more: what is not read there holds the command up, and is lost
 *    when the container ends meanwhile. The engine's log does neither.
 * 2. Unless the output itself has told a success there, the engine's log is read too: what of that was not told yet is
 *    told, and nothing twice. Its end is the container's. After a success the connection stays until `stop`: with it goes
 *    the container (warm-launcher.ts).
 * 3. Following a log, the engine may take the container's end for that of the log, with some of it not told: unless the
 *    output has told its own end, the log is read once more.
 */
import type { Container } from 'dockerode';
import type { LogWriter } from '../attempt-log.ts';
import type { AttachedOutput } from './attached-output.ts';
import { chunks, type LabelledBytes } from './docker-engine.ts';
import { ToldOutput } from './told-output.ts';

/** Enough to hold what docker-init says of a command it cannot run. */
const firstOutputBytes = 512;
/** The whole output of a small task; the engine itself holds a container up beyond 1 MB. */
const attachedBytes = 64 * 1024;

/** What of a container's output is the attempt's: all of it, but for the words of a warm one's shell. */
export interface OutputReader {
  take(part: LabelledBytes): Uint8Array;
  rest(): Uint8Array;
  /** The output itself has told that it is all. */
  readonly isWhole: boolean;
  /** Where the output itself tells that it has succeeded. */
  readonly succeeded: boolean;
  /** Where the output itself tells that it has failed, and that the kernel killed something at the limit of memory. */
  readonly outOfMemory: boolean;
  readonly hasBegun: boolean;
}
export const wholeOutput: OutputReader = {
  take: ({ bytes }) => bytes,
  rest: () => new Uint8Array(0),
  isWhole: false,
  succeeded: false,
  outOfMemory: false,
  hasBegun: true,
};

export class OutputCopy {
  /** Resolves when the log takes no more: what is still to come need not be waited for. */
  readonly full: Promise<void>;
  /** Resolves when the output has told so. */
  readonly succeeded: Promise<void>;
  /** Of which the log has what is the command's, or does not want it. */
  bytesSeen = 0;
  private readonly log: LogWriter;
  private readonly reader: OutputReader;
  private readonly attached: AttachedOutput | null;
  private told = new ToldOutput();
  private isFull: () => void = () => undefined;
  private hasSucceeded: () => void = () => undefined;
  private firstOutput = '';
  private stopped = false;

  constructor(log: LogWriter, reader: OutputReader, attached: AttachedOutput | null) {
    this.log = log;
    this.reader = reader;
    this.attached = attached;
    this.full = new Promise((resolve) => {
      this.isFull = resolve;
    });
    this.succeeded = new Promise((resolve) => {
      this.hasSucceeded = resolve;
    });
  }

  get found() {
    const { hasBegun, outOfMemory } = this.reader;
    return { firstOutput: this.firstOutput, hasBegun, outOfMemory };
  }

  /** What comes late is nobody's: the log may be told again already. */
  stop(): void {
    this.stopped = true;
    this.attached?.close();
  }

  /** Resolves when the stream is over, by its end or by its breaking: the exit code tells which it was. */
  async run(container: Container, signal: AbortSignal): Promise<void> {
    try {
      if (this.attached !== null) await this.copyAttached(this.attached);
      if (!this.reader.succeeded && !this.stopped) await this.copyLogged(container, signal);
      if (!this.reader.isWhole && !this.stopped) await this.copyLogged(container, signal);
      await this.copy(this.reader.rest());
    } catch {
      // Broken or aborted: over either way, and `waited` knows more.
    }
  }

  private async copyAttached(attached: AttachedOutput): Promise<void> {
    let left = attachedBytes;
    let copied = Promise.resolve();
    try {
      for await (const parts of attached.take()) {
        for (const { bytes } of parts) left -= bytes.length;
        // Not waited for: a slow disk must not keep it from being read.
        copied = this.copy(this.read(parts));
        if (this.reader.isWhole || left <= 0) break;
      }
    } catch {
      // It has broken: the engine's log tells the rest.
    }
    if (!this.reader.succeeded) attached.close();
    await copied;
    if (this.reader.succeeded) this.hasSucceeded();
  }

  private async copyLogged(container: Container, signal: AbortSignal): Promise<void> {
    const options = { follow: true, stdout: true, stderr: true, abortSignal: signal } as const;
    const stream = (await container.logs(options)) as unknown as AsyncIterable<Uint8Array>;
    const { told } = this;
    this.told = told.copy();
    for await (const parts of chunks(stream)) {
      const more = parts.map((part) => told.beyond(part));
      await this.copy(this.read(more));
      for (const { bytes } of more) this.bytesSeen += bytes.length;
      if (this.stopped) return;
      if (this.reader.succeeded) this.hasSucceeded();
    }
  }

  private read(parts: readonly LabelledBytes[]): Uint8Array {
    for (const part of parts) this.told.add(part);
    return Buffer.concat(parts.map((part) => this.reader.take(part)));
  }

  private async copy(bytes: Uint8Array): Promise<void> {
    if (bytes.length === 0) return;
    if (this.firstOutput.length < firstOutputBytes)
      this.firstOutput += Buffer.from(bytes.subarray(0, firstOutputBytes)).toString('latin1');
    if (this.stopped) return;
    if (!(await this.log.write(bytes))) this.isFull();
  }
}
