/** A question, and how it is had: by a task, by a slot that is lent, or, while it waits for one, by none yet (E41). */
import type { Alarms, Cancel } from '@gryphgen/runtime';
import type { LentSlot, LentWish } from './lent-slot.ts';
import type { OpenAnswer } from './open-answer.ts';
import type { Question } from './question.ts';

/** How a question is had at present. */
export interface Way {
  cancel(): void;
  over(): void;
}

/** What a slot's owner does with its connection and its task. */
export interface SlotLine {
  tell: Parameters<LentSlot['own']>[0]['tell'];
  cancel(): void;
  over(): void;
}

export interface Wished {
  readonly question: Question;
  readonly answer: OpenAnswer;
  /** Has it as a task's; `slot`: which is to be lent. */
  readonly submit: (slot?: LentSlot) => Way & { readonly line: SlotLine };
}

interface WishGroup {
  /** It waits for no slot any more. */
  left(wish: Wish): void;
  /** It goes to the broker after all, where it may have loans called back. */
  goesLate(): void;
}

/** From one way of having it to the next. */
export class Wish implements Way, LentWish {
  private readonly wished: Wished;
  private readonly group: WishGroup;
  private way: Way | undefined;
  private cancelPatience: Cancel = () => undefined;

  constructor(wished: Wished, group: WishGroup) {
    this.wished = wished;
    this.group = group;
  }

  get answer(): OpenAnswer {
    return this.wished.answer;
  }

  get question(): Question {
    return this.wished.question;
  }

  cancel(): void {
    this.stopWaiting();
    this.way?.cancel();
  }

  over(): void {
    this.stopWaiting();
    this.way?.over();
  }

  submit(slot?: LentSlot): ReturnType<Wished['submit']> {
    const way = this.wished.submit(slot);
    this.way = way;
    return way;
  }

  askSlot(slot: LentSlot): void {
    this.way = { cancel: () => slot.leave(this), over: () => undefined };
    slot.ask(this);
  }

  move(): void {
    this.answer.moved();
    this.group.goesLate();
    this.submitLate();
  }

  waitsFor(alarms: Alarms, ms: number): void {
    this.cancelPatience = alarms.after(ms, () => {
      this.group.goesLate();
      this.giveUpWaiting();
    });
  }

  stopWaiting(): void {
    this.cancelPatience();
    this.group.left(this);
  }

  giveUpWaiting(): void {
    this.stopWaiting();
    this.submitLate();
  }

  /** Who asked has its answer already, which is told. */
  private submitLate(): void {
    try {
      this.submit();
    } catch (error) {
      this.answer.failWith(error);
    }
  }
}
