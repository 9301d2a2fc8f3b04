/**
 * One transfer on the server's side: pulls from the source, sends what the reader has granted, ends with a word.
 *
 * 1. Nothing is read ahead: without credit the source waits, and with it whoever fills it.
 * 2. Every way to end releases the source: its signal is aborted and its iterator returned.
 */
import { type Failure, failure } from '@gryphgen/protocol';
import { chunkBytes, type DataAnswer } from './data-wire.ts';

/** `true`: on its way. `false`: the reader is gone. Resolves when the next may be sent. */
export type SendAnswer = (answer: DataAnswer) => Promise<boolean>;
export type DataSource = AsyncIterable<Uint8Array> | Failure;

export class DataStream {
  readonly abort = new AbortController();
  /** Clock.mono of the reader's last word. */
  heardAt: number;
  private readonly send: SendAnswer;
  private credit: number;
  private sent = 0;
  private wake: () => void = () => undefined;

  constructor(send: SendAnswer, credit: number, now: number) {
    this.send = send;
    this.credit = credit;
    this.heardAt = now;
    this.abort.signal.addEventListener('abort', () => this.wake());
  }

  grant(total: number): void {
    this.credit = Math.max(this.credit, total);
    this.wake();
  }

  /** Never rejects. */
  async run(from: number, source: DataSource | Promise<DataSource>): Promise<void> {
    let why: Failure | null = null;
    try {
      const opened = await source;
      if (Symbol.asyncIterator in opened) await this.pump(from, opened);
      else why = opened;
    } catch (error) {
      why = failure(
        'internal.bug',
        `reading failed: ${error instanceof Error ? error.message : String(error)}`,
      );
    }
    if (!this.abort.signal.aborted) await this.send({ kind: 'end', failure: why });
    this.abort.abort();
  }

  private async pump(from: number, source: AsyncIterable<Uint8Array>): Promise<void> {
    for await (const piece of source) {
      for (let at = 0; at < piece.length; ) {
        const room = await this.room();
        if (room === 0) return;
        const bytes = piece.subarray(at, at + Math.min(room, chunkBytes));
        if (!(await this.send({ kind: 'chunk', offset: from + this.sent, bytes }))) {
          this.abort.abort();
          return;
        }
        at += bytes.length;
        this.sent += bytes.length;
      }
      if (this.abort.signal.aborted) return;
    }
  }

  /** Bytes that may be sent now, at least one; 0 when the stream was aborted. */
  private async room(): Promise<number> {
    while (this.credit <= this.sent && !this.abort.signal.aborted) {
      await new Promise<void>((resolve) => {
        this.wake = resolve;
      });
    }
    return this.abort.signal.aborted ? 0 : this.credit - this.sent;
  }
}
