/**
 * What comes on a channel for slots that are lent (E41): questions, each once its slot waits for one, the word that nobody
 * takes an answer any more, and slots that are given back.
 *
 * 1. A slot answers one question at a time: what comes while it waits for none is dropped.
 */
import { type AnswerFence, type AnswerRecord, type OverReason, recordBytes } from './answer-records.ts';

/** What is asked of a slot that is lent. */
export interface LentQuestion {
  readonly request: Uint8Array;
  /** Aborted when nobody takes its answer. */
  readonly left: AbortSignal;
}

type Next = LentQuestion | OverReason;

class LentSlot {
  private waiting: ((next: Next) => void) | undefined;
  private leaving: AbortController | undefined;
  private isBack = false;

  next(signal: AbortSignal): Promise<Next> {
    this.leaving = undefined;
    if (this.isBack) return Promise.resolve('back');
    return new Promise((resolve) => {
      const stop = (): void => this.tell(signal.reason);
      this.waiting = (next) => {
        signal.removeEventListener('abort', stop);
        resolve(next);
      };
      signal.addEventListener('abort', stop, { once: true });
      if (signal.aborted) stop();
    });
  }

  ask(bytes: Uint8Array): void {
    if (this.waiting === undefined) return;
    this.leaving = new AbortController();
    // A copy: `bytes` is a view of all that came with it.
    this.tell({ request: Uint8Array.from(bytes), left: this.leaving.signal });
  }

  leave(): void {
    this.leaving?.abort();
  }

  giveBack(): void {
    this.isBack = true;
    this.tell('back');
  }

  private tell(next: Next): void {
    const { waiting } = this;
    this.waiting = undefined;
    waiting?.(next);
  }
}

/** Of one channel. */
export class LentSlots {
  private readonly slots = new Map<string, LentSlot>();

  open(fence: AnswerFence): LentSlot {
    const slot = new LentSlot();
    this.slots.set(keyOf(fence), slot);
    return slot;
  }

  /** Whoever waits for its next question hears that there is none. */
  close(fence: AnswerFence): void {
    this.slots.get(keyOf(fence))?.giveBack();
    this.slots.delete(keyOf(fence));
  }

  take(record: AnswerRecord): void {
    const slot = this.slots.get(keyOf(record));
    if (record.kind === 'ask') slot?.ask(record.bytes);
    else if (record.kind === 'leave') slot?.leave();
    else if (record.kind === 'over') slot?.giveBack();
  }
}

function keyOf({ task, attempt }: AnswerFence): string {
  return `${task} ${attempt}`;
}

/** Whether a question goes to such a slot: a longer one goes the way of its own. */
export function fitsLentSlot(request: Uint8Array): boolean {
  return request.length <= recordBytes;
}
