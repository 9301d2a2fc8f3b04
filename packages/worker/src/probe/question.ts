/**
 * A question to the machine that may never be answered: a hung mount, a driver in trouble, an engine that stalls.
 *
 * 1. Who asks waits no longer than `limitMs`, and then gets an error in words.
 * 2. The limit is of time in which this process ran: of a sleep of the machine, after which the answer is still to be read, next
 *    to nothing counts.
 * 3. At most one is under way. One that hangs costs a thread or a process, so it is not put again before it has ended.
 */
import type { Alarms, Cancel } from '@gryphgen/runtime';

/** Of a limit; of a sleep one of them counts. */
const steps = 10;

export interface QuestionOptions<T> {
  /** For the words: `the disk`. */
  readonly what: string;
  readonly limitMs: number;
  readonly alarms: Alarms;
  /** Aborted at the limit; what can end then, should. */
  put(signal: AbortSignal): Promise<T>;
}

export class Question<T> {
  private readonly options: QuestionOptions<T>;
  private underWay: Promise<T> | null = null;

  constructor(options: QuestionOptions<T>) {
    this.options = options;
  }

  async ask(): Promise<T> {
    const { limitMs, alarms } = this.options;
    let cancel = (): void => undefined;
    const tooLong = new Promise<never>((_, reject) => {
      const giveUp = () => reject(this.tooLong());
      cancel = afterAwake(alarms, limitMs, giveUp);
    });
    try {
      return await Promise.race([this.answer(), tooLong]);
    } finally {
      cancel();
    }
  }

  private answer(): Promise<T> {
    this.underWay ??= this.put().finally(() => {
      this.underWay = null;
    });
    return this.underWay;
  }

  private async put(): Promise<T> {
    const { alarms, limitMs } = this.options;
    const giveUp = new AbortController();
    const cancel = afterAwake(alarms, limitMs, () => giveUp.abort());
    try {
      return await this.options.put(giveUp.signal);
    } catch (error) {
      throw giveUp.signal.aborted ? this.tooLong() : error;
    } finally {
      cancel();
    }
  }

  private tooLong(): Error {
    const { what, limitMs } = this.options;
    return new Error(`${what} did not answer within ${limitMs} ms`);
  }
}

function afterAwake(alarms: Alarms, ms: number, run: () => void): Cancel {
  let cancel: Cancel = () => undefined;
  const wait = (left: number): void => {
    cancel = alarms.after(ms / steps, () => (left === 1 ? run() : wait(left - 1)));
  };
  wait(steps);
  return () => cancel();
}
