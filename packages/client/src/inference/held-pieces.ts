/**
 * What of an answer has come and was not taken yet.
 *
 * 1. At most `behindBytes` are held; more of it is refused.
 * 2. Where it comes from waits before: a server that is asked straight for `room`, a worker once `holdBytes` are ahead, until half of that was
 *    taken (`onTaken`). An older worker does not wait.
 * 3. Who takes nothing for `patienceMs` while that is waited for has left.
 */
import { type Failure, failure } from '@gryphgen/protocol';
import type { Alarms, Cancel } from '@gryphgen/runtime';

const behindBytes = 1024 * 1024;
/** What a worker may be ahead, and a piece. */
export const holdBytes = behindBytes / 2;
/** What a server that is asked straight may be ahead, and a piece. */
const roomBytes = holdBytes / 2;
const patienceMs = 60_000;

interface HeldOptions {
  readonly alarms: Alarms;
  /** Half of `holdBytes` was taken since the last time. */
  readonly onTaken: () => void;
  readonly onFailed: (why: Failure) => void;
}

export class HeldPieces {
  private readonly options: HeldOptions;
  private pieces: Uint8Array[] = [];
  private behind = 0;
  private taken = 0;
  private untold = 0;
  private isOver = false;
  private cancelPatience: Cancel | undefined;
  private wake: () => void = () => undefined;
  private letMore: () => void = () => undefined;

  constructor(options: HeldOptions) {
    this.options = options;
  }

  /** Resolves when there is, or no more is to come. */
  room(): true | Promise<void> {
    if (this.behind <= roomBytes || this.isOver) return true;
    return new Promise((resolve) => {
      this.letMore = resolve;
    });
  }

  push(bytes: Uint8Array): void {
    this.behind += bytes.length;
    if (this.behind > behindBytes) {
      this.pieces = [];
      const words = `the answer was not taken: ${behindBytes} bytes of it wait`;
      this.options.onFailed(failure('rejected.limit', words));
      return;
    }
    this.pieces.push(bytes);
    if (this.behind > roomBytes) this.awaitTaker();
    this.wake();
  }

  take(): Uint8Array | undefined {
    const piece = this.pieces.shift();
    if (piece === undefined) return undefined;
    this.behind -= piece.length;
    this.taken += piece.length;
    this.untold += piece.length;
    if (this.behind <= roomBytes) this.letMore();
    if (this.untold >= holdBytes / 2) {
      this.untold -= holdBytes / 2;
      if (!this.isOver) this.options.onTaken();
    }
    return piece;
  }

  /** Resolves when there is something to take, or no more is to come. */
  filled(): Promise<void> {
    return new Promise((resolve) => {
      this.wake = resolve;
    });
  }

  /** No more is to come; what is there may be taken. */
  end(): void {
    this.isOver = true;
    this.cancelPatience?.();
    this.letMore();
    this.wake();
  }

  private awaitTaker(): void {
    const { alarms, onFailed } = this.options;
    const { taken } = this;
    this.cancelPatience ??= alarms.after(patienceMs, () => {
      this.cancelPatience = undefined;
      if (this.isOver || this.behind <= roomBytes) return;
      if (this.taken > taken) this.awaitTaker();
      else onFailed(failure('rejected.limit', `nothing of the answer was taken in ${patienceMs / 1000} s`));
    });
  }
}
