/**
 * The asker's side of questions that are too long for a task's body (E33): they go to the worker that wants them by the
 * connection on which its answers come, as the worker grants it.
 *
 * 1. Long ones take turns, piece by piece: none holds up another.
 */
import { SendCredit } from '../byte-credit.ts';
import { type AnswerFence, type AnswerRecord, writeRecord } from './answer-records.ts';

const pieceBytes = 32 * 1024;

/** What is said to a slot that is lent. */
type SlotWord = 'ask' | 'leave' | 'take' | 'done' | 'over';

export class QuestionOutlet {
  private readonly say: (bytes: Uint8Array) => Promise<void>;
  private readonly credit = new SendCredit(0);
  private last: Promise<boolean> = Promise.resolve(true);
  private isOver = false;
  private wake: () => void = () => undefined;

  /** `say` rejects when nothing more can be sent. */
  constructor(say: (bytes: Uint8Array) => Promise<void>) {
    this.say = say;
  }

  grant(total: number): void {
    this.credit.grant(total);
    this.wake();
  }

  close(): void {
    this.isOver = true;
    this.wake();
  }

  /** To a slot that is lent (E41, E42), or that more of an answer is wanted: what is small. Lost with the connection. */
  tell(record: Extract<AnswerRecord, { kind: SlotWord | 'want' }>): void {
    void this.put(record);
  }

  /** Resolves when all of it is on its way; false when it is not: the connection is over, or `signal` was aborted. */
  async send({ task, attempt }: AnswerFence, question: Uint8Array, signal: AbortSignal): Promise<boolean> {
    const fence = { task, attempt };
    for (let at = 0; at < question.length && !signal.aborted; at += pieceBytes)
      if (!(await this.put({ ...fence, kind: 'data', bytes: question.subarray(at, at + pieceBytes) })))
        return false;
    return !signal.aborted && (await this.put({ ...fence, kind: 'end', failure: null }));
  }

  /** Behind what others put before. */
  private put(record: AnswerRecord): Promise<boolean> {
    this.last = this.last.then(() => this.write(Buffer.concat(writeRecord(record))));
    return this.last;
  }

  private async write(bytes: Uint8Array): Promise<boolean> {
    while (this.credit.room < bytes.length && !this.isOver)
      await new Promise<void>((resolve) => {
        this.wake = resolve;
      });
    if (this.isOver) return false;
    this.credit.spend(bytes.length);
    try {
      await this.say(bytes);
    } catch {
      this.close(); // who reads the connection is told why it is over
    }
    return !this.isOver;
  }
}
