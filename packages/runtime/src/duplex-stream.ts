/**
 * A transfer in both directions on the server's side, a command's session, an image or an artifact that is brought: its source also
 * takes input.
 *
 * 1. Input is granted as the source takes it. What comes beyond that ends the session: it is never held.
 * 2. Small pieces of input that wait are held as one: a byte costs a byte, however it came. A large one is held as it came,
 *    in its frame.
 */
import type { ExecOrder, ImageOrder, TaskId, TerminalSize } from '@gryphgen/protocol';
import { ReceiveWindow } from './byte-credit.ts';
import type { DataStream } from './data-stream.ts';
import type { OutputName, TransferEnd } from './data-wire.ts';

const smallBytes = 4096;

export interface ExecRequest {
  readonly task: TaskId;
  readonly attempt: number;
  readonly order: ExecOrder;
  /** The grant's: no other session has it. */
  readonly id: string;
  /** Who it was granted to. */
  readonly principal: string;
}

export interface PushRequest {
  readonly order: ImageOrder;
  /** Who it was granted to. */
  readonly principal: string;
}

export interface DuplexOutput {
  readonly stream: OutputName;
  readonly bytes: Uint8Array;
}

/** What is under way: a command that runs, an image that is taken. */
export interface Duplex {
  readonly output: AsyncIterable<DuplexOutput>;
  /** Resolves when it can take more. Never rejects: what it cannot take any more is dropped. */
  write(bytes: Uint8Array): Promise<void>;
  endInput(): void;
  resize(size: TerminalSize): void;
  /** When it has ended, by itself or because the signal was aborted. Never rejects. */
  readonly ended: Promise<TransferEnd>;
}

/** Resolves when the command runs, or with why it does not. When the signal is aborted, the command is ended. */
export type OpenExec = (request: ExecRequest, signal: AbortSignal) => Promise<Duplex | TransferEnd>;

export interface StoreRequest {
  readonly artifact: string;
  readonly manifestBytes: number;
  /** Whose it is to be: who brings it, or whose task has left it. */
  readonly owner: string;
}

/** The same of an artifact that is brought. `failure` null: it is here. */
export type OpenStore = (request: StoreRequest, signal: AbortSignal) => Promise<Duplex | TransferEnd>;

/** The same of logs that a worker brings. */
export type OpenKeep = (worker: string, signal: AbortSignal) => Promise<Duplex | TransferEnd>;

/** The same of an image. `failure` null: there is nothing to send, the worker has it. */
export type OpenPush = (request: PushRequest, signal: AbortSignal) => Promise<Duplex | TransferEnd>;

export class DuplexStream {
  private readonly stream: DataStream;
  private readonly window: ReceiveWindow;
  private readonly pieces: Uint8Array[] = [];
  private source: Duplex | undefined;
  private inputEnded = false;
  private size: TerminalSize | undefined;
  private wake: () => void = () => undefined;

  constructor(stream: DataStream, takesInput: boolean) {
    this.stream = stream;
    this.window = new ReceiveWindow(takesInput ? undefined : 0);
    stream.abort.signal.addEventListener('abort', () => this.wake());
  }

  /** What may be sent here at first. */
  get granted(): number {
    return this.window.total;
  }

  /** Input alone, until there is no more; what is taken is granted anew. Resolves with whether all of it was wanted. */
  async take(take: (bytes: Uint8Array) => boolean): Promise<boolean> {
    for (let bytes = await this.next(); bytes !== undefined; bytes = await this.next()) {
      if (!take(bytes)) return false;
      if (!(await this.grantFor(bytes.length))) break;
    }
    return true;
  }

  /** False: more than was granted. */
  input(bytes: Uint8Array): boolean {
    if (!this.window.receive(bytes.length)) return false;
    const last = this.pieces.at(-1);
    if (last !== undefined && last.length < smallBytes) {
      this.pieces[this.pieces.length - 1] = Buffer.concat([last, bytes]);
    } else if (bytes.length > 0) this.pieces.push(bytes.length < smallBytes ? Buffer.from(bytes) : bytes);
    this.wake();
    return true;
  }

  endInput(): void {
    this.inputEnded = true;
    this.wake();
  }

  resize(size: TerminalSize): void {
    this.size = size;
    this.source?.resize(size);
  }

  async run(open: () => Promise<Duplex | TransferEnd>): Promise<TransferEnd> {
    const opened = await open();
    if (!('ended' in opened)) return opened;
    this.source = opened;
    if (this.size !== undefined) opened.resize(this.size);
    if (await this.stream.send({ kind: 'credit', total: this.window.total })) {
      const fed = this.feed(opened);
      for await (const { bytes, stream } of opened.output) if (!(await this.stream.put(bytes, stream))) break;
      const end = await opened.ended;
      this.endInput();
      await fed;
      return end;
    }
    this.stream.abort.abort();
    return await opened.ended;
  }

  private async feed(source: Duplex): Promise<void> {
    for (let bytes = await this.next(); bytes !== undefined; bytes = await this.next()) {
      await source.write(bytes);
      if (!(await this.grantFor(bytes.length))) return;
    }
    source.endInput();
  }

  /** False: who sends is gone. */
  private async grantFor(taken: number): Promise<boolean> {
    const total = this.window.take(taken);
    return total === undefined || (await this.stream.send({ kind: 'credit', total }));
  }

  /** What waits; undefined when nothing will come any more. */
  private async next(): Promise<Uint8Array | undefined> {
    const { pace, abort } = this.stream;
    pace?.waits();
    while (this.pieces.length === 0 && !this.inputEnded && !abort.signal.aborted) {
      await new Promise<void>((resolve) => {
        this.wake = resolve;
      });
    }
    pace?.goesOn();
    if (abort.signal.aborted) return undefined;
    const piece = this.pieces.shift();
    pace?.moved(piece?.length ?? 0);
    return piece;
  }
}
