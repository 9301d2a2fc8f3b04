/** Logs on their way from a worker: each is kept when all of it has come. What was cut off is brought again. */
import { createHash, type Hash } from 'node:crypto';
import { type FileHandle, rm } from 'node:fs/promises';
import { type Failure, failure } from '@gryphgen/protocol';
import {
  type Duplex,
  type DuplexOutput,
  type KeptLogHeader,
  mostHeadBytes,
  readKeptLogHead,
  type TransferEnd,
  writeAll,
} from '@gryphgen/runtime';

export interface LogPlace {
  /** A draft to write into; or why there is no room. */
  begin(): Promise<{ readonly path: string; readonly file: FileHandle } | Failure>;
  /** It has all of its bytes, which have this sha-256. */
  keep(draft: string, log: KeptLogHeader, sha256: string): Promise<void>;
}

interface Coming {
  readonly head: KeptLogHeader;
  readonly path: string;
  readonly file: FileHandle;
  readonly hash: Hash;
  done: number;
}

const newline = 0x0a;

export class IncomingLogs implements Duplex {
  readonly output: AsyncIterable<DuplexOutput> = nothing();
  readonly ended: Promise<TransferEnd>;
  private readonly place: LogPlace;
  private head = '';
  private coming: Coming | undefined;
  private taking: Promise<void> = Promise.resolve();
  private isOver = false;
  private tellEnd: (end: TransferEnd) => void = () => undefined;

  constructor(place: LogPlace, signal: AbortSignal) {
    this.place = place;
    this.ended = new Promise((resolve) => {
      this.tellEnd = resolve;
    });
    const left = (): void => this.over(cutOff());
    signal.addEventListener('abort', left, { once: true });
    void this.ended.then(() => signal.removeEventListener('abort', left));
    if (signal.aborted) left();
  }

  write(bytes: Uint8Array): Promise<void> {
    this.taking = this.taking
      .then(() => this.take(bytes))
      .catch((error: unknown) =>
        this.over(failure('rejected.limit', `a log cannot be kept: ${String(error)}`)),
      );
    return this.taking;
  }

  endInput(): void {
    this.over(this.coming === undefined && this.head === '' ? null : cutOff());
  }

  resize(): void {}

  private async take(bytes: Uint8Array): Promise<void> {
    for (let at = 0; at < bytes.length && !this.isOver; ) {
      const { coming } = this;
      if (coming === undefined) {
        const end = bytes.indexOf(newline, at);
        const rest = bytes.subarray(at, end === -1 ? undefined : end);
        at += rest.length + 1;
        if (this.head.length + rest.length > mostHeadBytes) return this.over(noLog());
        this.head += Buffer.from(rest).toString('latin1');
        if (end !== -1) await this.begin();
        continue;
      }
      const part = bytes.subarray(at, at + coming.head.bytes - coming.done);
      coming.hash.update(part);
      await writeAll(coming.file, part, coming.done);
      at += part.length;
      coming.done += part.length;
      if (coming.done === coming.head.bytes) await this.keep(coming);
    }
  }

  private async begin(): Promise<void> {
    const head = readKeptLogHead(this.head);
    this.head = '';
    if (head === undefined) return this.over(noLog());
    const draft = await this.place.begin();
    if ('code' in draft) return this.over(draft);
    this.coming = { head, ...draft, hash: createHash('sha256'), done: 0 };
    if (head.bytes === 0) await this.keep(this.coming);
  }

  private async keep({ head, path, file, hash }: Coming): Promise<void> {
    await file.close();
    this.coming = undefined;
    await this.place.keep(path, head, hash.digest('hex'));
  }

  private over(why: Failure | null): void {
    if (this.isOver) return;
    this.isOver = true;
    const clear = async (): Promise<void> => {
      const { coming } = this;
      this.coming = undefined;
      await coming?.file.close();
      if (coming !== undefined) await rm(coming.path, { force: true });
    };
    // A write may be under way: what it writes into is closed behind it.
    void this.taking
      .then(clear)
      .catch(() => undefined)
      .then(() => this.tellEnd({ failure: why }));
  }
}

function cutOff(): Failure {
  return failure('lost.link', 'the logs did not come to their end');
}

function noLog(): Failure {
  return failure('rejected.invalid', 'what came is no log');
}

async function* nothing(): AsyncGenerator<DuplexOutput, void> {}
