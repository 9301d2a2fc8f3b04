/**
 * A transfer in both directions on the client's side, over a connection of its own to the worker: a command's session,
 * an image or an artifact that is brought. It needs the broker no more.
 *
 * 1. Input leaves as the worker grants it, and is taken from the caller no faster.
 * 2. Answers are taken up as they come, so that a caller who does not take output holds up the output alone. What waits
 *    to be taken is bounded by what was granted.
 */
import { type Failure, failure, type TerminalSize } from '@gryphgen/protocol';
import { ReceiveWindow, SendCredit } from './byte-credit.ts';
import type { DataConnection, DataPlace } from './data-connection.ts';
import {
  chunkBytes,
  type DataAnswer,
  type DataRequest,
  type OpenRequest,
  type ReadRequest,
  type TransferEnd,
} from './data-wire.ts';
import type { DuplexOutput } from './duplex-stream.ts';
import { reachData } from './reach-data.ts';

export interface DuplexOpening extends DataPlace {
  readonly request: DuplexRequest;
}
type WithoutCredit<R> = R extends unknown ? Omit<R, 'credit'> : never;
type DuplexRequest = WithoutCredit<Exclude<OpenRequest, ReadRequest>>;

/**
 * Resolves when it is under way, or with its end: a refusal, or (of an image) that there is nothing to send. A command
 * that could not be run has a session that has ended. Throws when the endpoint is none.
 */
export async function openDuplex(opening: DuplexOpening): Promise<DuplexSession | TransferEnd> {
  const connection = await reachData(opening);
  const session = new DuplexSession(connection);
  try {
    await connection.open({ ...opening.request, credit: session.granted });
  } catch (error) {
    connection.drop();
    throw error;
  }
  return (await session.begin()) ?? session;
}

export class DuplexSession {
  /** When the last output has come; it may still be there to take. Never rejects. */
  readonly ended: Promise<TransferEnd>;
  private readonly connection: DataConnection;
  private readonly credit = new SendCredit(0);
  private readonly window = new ReceiveWindow();
  private readonly pieces: DuplexOutput[] = [];
  private end: TransferEnd | undefined;
  private writing: Promise<boolean> = Promise.resolve(true);
  private runs = false;
  private tellEnd: (end: TransferEnd) => void = () => undefined;
  private tellRuns: () => void = () => undefined;
  private wakeReader: () => void = () => undefined;
  private wakeWriter: () => void = () => undefined;

  /** Only `openDuplex` makes one. */
  constructor(connection: DataConnection) {
    this.connection = connection;
    this.ended = new Promise((resolve) => {
      this.tellEnd = resolve;
    });
  }

  get granted(): number {
    return this.window.total;
  }

  /** Resolves when it is under way, or a command could not be run; or with its end. */
  async begin(): Promise<TransferEnd | undefined> {
    const running = new Promise<void>((resolve) => {
      this.tellRuns = resolve;
    });
    void this.take();
    await Promise.race([running, this.ended]);
    return this.runs || this.end?.exitCode !== null ? undefined : this.end;
  }

  /** What the command prints, as it comes, until it has ended. To be taken once. */
  async *output(): AsyncGenerator<DuplexOutput, void> {
    for (;;) {
      const piece = this.pieces.shift();
      if (piece !== undefined) {
        yield piece;
        const total = this.window.take(piece.bytes.length);
        if (total !== undefined) await this.say(() => this.connection.grant(total));
      } else if (this.end !== undefined) return;
      else
        await new Promise<void>((resolve) => {
          this.wakeReader = resolve;
        });
    }
  }

  /** In order. Resolves when it is on its way: wait for that before the next. False when the session is over. */
  write(bytes: Uint8Array): Promise<boolean> {
    this.writing = this.writing.then(() => this.send(bytes));
    return this.writing;
  }

  /** The end of the input, behind all that was written. */
  endInput(): void {
    this.writing = this.writing.then(async () => {
      await this.tell({ kind: 'inputEnd' });
      return this.end === undefined;
    });
  }

  private async send(bytes: Uint8Array): Promise<boolean> {
    for (let at = 0; at < bytes.length; ) {
      while (this.credit.room === 0 && this.end === undefined) {
        await new Promise<void>((resolve) => {
          this.wakeWriter = resolve;
        });
      }
      if (this.end !== undefined) return false;
      const piece = bytes.subarray(at, at + Math.min(this.credit.room, chunkBytes));
      this.credit.spend(piece.length);
      await this.say(() => this.connection.say({ kind: 'input', bytes: piece }));
      at += piece.length;
    }
    return this.end === undefined;
  }

  resize(size: TerminalSize): void {
    void this.tell({ kind: 'resize', size });
  }

  /** Ends what is under way, if it has not ended. Resolves when the worker has been told. */
  async close(): Promise<void> {
    this.over({ failure: failure('cancelled.user', 'the session was closed') });
    await this.connection.close();
  }

  private async take(): Promise<void> {
    try {
      for await (const answer of this.connection.answers()) {
        this.onAnswer(answer);
        if (this.end !== undefined) return;
      }
      this.over({ failure: this.connection.broken });
    } finally {
      this.connection.drop();
    }
  }

  private onAnswer(answer: Exclude<DataAnswer, { kind: 'alive' }>): void {
    switch (answer.kind) {
      case 'credit':
        this.runs = true;
        this.credit.grant(answer.total);
        this.tellRuns();
        this.wakeWriter();
        return;
      case 'chunk': {
        const { stream = 'stdout', bytes } = answer;
        if (!this.window.receive(bytes.length)) {
          this.over({ failure: tooMuch });
          return;
        }
        this.pieces.push({ stream, bytes });
        this.wakeReader();
        return;
      }
      case 'end':
        this.over(answer);
        return;
      default:
        answer satisfies never;
    }
  }

  private over({ failure: why, exitCode = null }: TransferEnd): void {
    if (this.end !== undefined) return;
    this.end = { failure: why, exitCode };
    this.tellEnd(this.end);
    this.wakeReader();
    this.wakeWriter();
  }

  private tell(request: DataRequest): Promise<void> {
    return this.end === undefined ? this.say(() => this.connection.say(request)) : Promise.resolve();
  }

  /** A word that cannot be said: the connection is of no use any more. */
  private async say(word: () => Promise<void>): Promise<void> {
    if (this.end !== undefined) return;
    try {
      await word();
    } catch {
      this.over({ failure: this.connection.broken });
      this.connection.drop();
    }
  }
}

const tooMuch: Failure = failure('lost.link', 'the worker sent more than it was granted');
