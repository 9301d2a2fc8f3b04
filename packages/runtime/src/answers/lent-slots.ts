/**
 * What comes on a channel for slots that are lent (E41): questions, each once its slot waits for one, the word that nobody
 * takes an answer any more, and slots that are taken (E42) and given back.
 *
 * 1. A slot answers one question at a time: what comes while it waits for none is dropped.
 */
import type { InferResult } from '@gryphgen/protocol';
import { type AnswerFence, type AnswerRecord, type OverReason, recordBytes } from './answer-records.ts';

/** What is asked of a slot that is lent. */
export interface LentQuestion {
  readonly request: Uint8Array;
  /** Aborted when nobody takes its answer. */
  readonly left: AbortSignal;
}

/** Who asked would ask its server straight, and has opened its door (E42). */
export interface TakeWish {
  readonly proof: string;
}

/** A slot whose server is asked straight. */
export interface TakenSlot {
  /** What was told of its answers last, in sum. */
  readonly told: InferResult | undefined;
  /** It is given back, or who had it is gone. */
  readonly back: Promise<void>;
}

type Next = LentQuestion | TakeWish | OverReason;

export class LentSlot implements TakenSlot {
  readonly back: Promise<void>;
  told: InferResult | undefined;
  private tellBack: () => void = () => undefined;
  private waiting: ((next: Next) => void) | undefined;
  private leaving: AbortController | undefined;
  private isTaken = false;
  private isBack = false;

  constructor() {
    this.back = new Promise((resolve) => {
      this.tellBack = resolve;
    });
  }

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

  take(): TakenSlot {
    this.isTaken = true;
    return this;
  }

  ask(bytes: Uint8Array): void {
    if (this.waiting === undefined) return;
    this.leaving = new AbortController();
    // A copy: `bytes` is a view of all that came with it.
    this.tell({ request: Uint8Array.from(bytes), left: this.leaving.signal });
  }

  wish(proof: string): void {
    this.tell({ proof });
  }

  note(told: InferResult): void {
    if (this.isTaken) this.told = told;
  }

  leave(): void {
    this.leaving?.abort();
  }

  giveBack(): void {
    this.isBack = true;
    this.tellBack();
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
    else if (record.kind === 'take') slot?.wish(record.proof);
    else if (record.kind === 'done') slot?.note(record.result);
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
