/**
 * One transfer on the server's side: sends what its source has as the reader grants it, and ends with a word.
 *
 * 1. Nothing is read ahead: without credit the source waits, and with it whoever fills it.
 * 2. Every way to end releases the source: the signal is aborted, and who puts is told to stop.
 */
import { type Failure, failure } from '@gryphgen/protocol';
import { SendCredit } from './byte-credit.ts';
import { chunkBytes, type DataAnswer, type OutputName, type TransferEnd } from './data-wire.ts';
import type { Pace } from './pace.ts';

/** `true`: on its way. `false`: the reader is gone. Resolves when the next may be sent. */
export type SendAnswer = (answer: DataAnswer) => Promise<boolean>;
export type DataSource = AsyncIterable<Uint8Array> | Failure;

export class DataStream {
  readonly abort = new AbortController();
  /** Clock.mono of the reader's last word. */
  heardAt: number;
  /** Of a transfer that its peer may not draw out. */
  readonly pace: Pace | null;
  readonly send: SendAnswer;
  private readonly credit: SendCredit;
  private offset: number;
  private wake: () => void = () => undefined;

  /** `from`: the offset of its first byte. */
  constructor(send: SendAnswer, from: number, credit: number, now: number, pace: Pace | null) {
    this.pace = pace;
    this.send = send;
    this.offset = from;
    this.credit = new SendCredit(credit);
    this.heardAt = now;
    this.abort.signal.addEventListener('abort', () => this.wake());
  }

  grant(total: number): void {
    this.credit.grant(total);
    this.wake();
  }

  /** `work` puts what there is and says how it ended. Never rejects. */
  async run(work: () => Promise<TransferEnd>): Promise<void> {
    let end: TransferEnd;
    try {
      end = await work();
    } catch (error) {
      const words = error instanceof Error ? error.message : String(error);
      end = { failure: failure('internal.bug', `reading failed: ${words}`) };
    }
    if (!this.abort.signal.aborted) await this.send({ kind: 'end', ...end });
    this.abort.abort();
  }

  async copy(source: DataSource): Promise<TransferEnd> {
    if (!(Symbol.asyncIterator in source)) return { failure: source };
    for await (const piece of source) if (!(await this.put(piece))) break;
    return { failure: null };
  }

  /** False: the stream is over. */
  async put(piece: Uint8Array, stream?: OutputName): Promise<boolean> {
    for (let at = 0; at < piece.length; ) {
      const room = await this.room();
      if (room === 0) return false;
      const bytes = piece.subarray(at, at + Math.min(room, chunkBytes));
      if (!(await this.send({ kind: 'chunk', offset: this.offset, bytes, stream }))) {
        this.abort.abort();
        return false;
      }
      at += bytes.length;
      this.offset += bytes.length;
      this.credit.spend(bytes.length);
      this.pace?.moved(bytes.length);
    }
    return !this.abort.signal.aborted;
  }

  /** Bytes that may be sent now, at least one; 0 when the stream was aborted. */
  private async room(): Promise<number> {
    const { signal } = this.abort;
    this.pace?.waits();
    while (this.credit.room === 0 && !signal.aborted) {
      await new Promise<void>((resolve) => {
        this.wake = resolve;
      });
    }
    this.pace?.goesOn();
    return signal.aborted ? 0 : this.credit.room;
  }
}
