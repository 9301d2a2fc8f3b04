/** What a call says and hears of a slot that it lends (E41), and of one that is taken: whose server is asked straight (E42). */
import type { Failure, InferResult } from '@gryphgen/protocol';
import type { DoorOffer } from '../llama/model-door.ts';
import type { AnswerFence, AnswerRecord, OverReason } from './answer-records.ts';
import type { LentQuestion, LentSlot, TakenSlot, TakeWish } from './lent-slots.ts';

export interface LentWriter {
  /** The answer is whole; or why it is not. */
  done(how: InferResult | Failure): void;
  /** Where its server is, for who asked to take. Before `next`. */
  offer(door: DoorOffer): void;
  /** The next question, or the wish to take it; or why there is none, once `signal` is aborted (its reason is an OverReason) or the slot is given back. */
  next(signal: AbortSignal): Promise<LentQuestion | TakeWish | OverReason>;
  /** It is who asked's. No `next` behind it. */
  give(): TakenSlot;
  /** What is taken is to be given back: what is under way may end before; `ended`: at once. */
  callBack(why: OverReason): void;
  /** It takes no more. Before `end`. */
  over(why: OverReason): void;
}

interface LentPlace {
  readonly fence: AnswerFence;
  readonly slot: LentSlot;
  readonly gone: AbortSignal;
  put(record: AnswerRecord): void;
  /** Nothing that comes for it is taken any more. */
  close(): void;
}

export function lentWriter({ fence, slot, gone, put, close }: LentPlace): LentWriter {
  const say = (record: AnswerRecord): void => {
    if (!gone.aborted) put(record);
  };
  return {
    done: (how) =>
      say('code' in how ? { ...fence, kind: 'end', failure: how } : { ...fence, kind: 'done', result: how }),
    offer: (door) => say({ ...fence, kind: 'door', door }),
    next: (signal) => {
      if (!signal.aborted) say({ ...fence, kind: 'want' });
      return slot.next(signal);
    },
    give: () => {
      const taken = slot.take();
      say({ ...fence, kind: 'given' });
      return taken;
    },
    callBack: (why) => say({ ...fence, kind: 'over', why }),
    over: (why) => {
      close();
      say({ ...fence, kind: 'over', why });
    },
  };
}
