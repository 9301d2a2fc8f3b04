/**
 * A slot of an instance that is lent here (E41): a task whose question was answered, and which answers more.
 *
 * 1. Its first question is a task's as any: the broker places it, and tries it again. From the end of that answer on the slot is asked
 *    straight, one question at a time, each when the slot says that it waits for one.
 * 2. A question that the slot did not begin to answer is asked anew; one that it began fails, since two beginnings do not make an answer.
 * 3. What comes before the broker's word of where the slot is is held, `heldRecords` at most.
 */
import { type AttemptNo, type Failure, failure, type TaskId } from '@gryphgen/protocol';
import type { AnswerRecord, OverReason, QuestionOutlet } from '@gryphgen/runtime';
import type { Outcome } from '../pending.ts';
import type { LineUser } from './answer-line.ts';
import type { OpenAnswer } from './open-answer.ts';

/** Of one answer: more comes from nobody who means well. */
const heldRecords = 4096;

/** Who waits for an answer, and how it is had if not here. */
export interface LentWish {
  readonly request: Uint8Array;
  readonly answer: OpenAnswer;
  /** Nothing of it has come: it is asked anew. */
  move(): void;
}

interface SlotOwner {
  tell(record: Parameters<QuestionOutlet['tell']>[0]): void;
  /** It was given, and answers its first question. */
  placed(): void;
  /** It waits for a question. */
  free(): void;
  over(why: OverReason | 'lost'): void;
  /** Its task is of no use any more. */
  cancel(): void;
}

export class LentSlot implements LineUser {
  private readonly first: OpenAnswer;
  private owner: SlotOwner | undefined;
  private task: TaskId | undefined;
  private attempt = 0;
  private worker = '';
  private asked = 1;
  private current: LentWish | undefined;
  private isLent = false;
  private ended = false;
  private held: { readonly worker: string; readonly record: AnswerRecord }[] = [];

  constructor(first: OpenAnswer) {
    this.first = first;
  }

  /** Before anything comes of it. */
  own(owner: SlotOwner): void {
    this.owner = owner;
  }

  get isOver(): boolean {
    return this.ended;
  }

  /** To be called when it is free. */
  ask(wish: LentWish): void {
    const { task, attempt, worker } = this;
    if (task === undefined) throw new Error('a slot was asked that has not said that it waits');
    this.current = wish;
    this.asked += 1;
    const { answer, request } = wish;
    answer.question = this.asked;
    answer.accepted.resolve(task);
    answer.placed(attempt, worker);
    this.owner?.tell({ kind: 'ask', task, attempt: attempt as AttemptNo, bytes: request });
  }

  /** Nobody takes the answer of this one any more. */
  leave(wish: LentWish): void {
    if (this.current !== wish || this.task === undefined) return;
    this.current = undefined;
    this.owner?.tell({ kind: 'leave', task: this.task, attempt: this.attempt as AttemptNo });
  }

  /** It is needed no more. */
  giveBack(): void {
    if (this.ended || this.task === undefined) return;
    this.owner?.tell({ kind: 'over', task: this.task, attempt: this.attempt as AttemptNo, why: 'back' });
    this.end('back');
  }

  placed(attempt: number, worker: string): void {
    if (this.ended || worker === '' || attempt <= this.attempt) return;
    if (this.attempt > 0 && this.first.isOver) {
      this.lose(failure('lost.worker', 'the worker was lost in the middle of the answer'));
      return;
    }
    this.attempt = attempt;
    this.worker = worker;
    this.first.placed(attempt, worker);
    this.owner?.placed();
    const { held } = this;
    this.held = [];
    for (const early of held) this.arrived(early.worker, early.record);
  }

  arrived(worker: string, record: AnswerRecord): void {
    if (this.ended || record.attempt < this.attempt) return;
    if (record.attempt > this.attempt) this.hold(worker, record);
    else if (worker === this.worker) this.take(record);
  }

  finished(outcome: Outcome): void {
    if (!this.first.isOver) this.first.finished(outcome);
    // An older worker lends nothing. Of one that did the last word may be on its way yet.
    if (this.first.isOver && !this.isLent) this.end('time');
  }

  onBroken(why: Failure, final: boolean): void {
    if (this.first.isOver) this.lose(why);
    else {
      this.first.onBroken(why, final);
      if (this.first.isOver) this.end('lost');
    }
  }

  fail(why: Failure): void {
    if (!this.first.isOver) this.first.fail(why);
    this.lose(why);
  }

  failWith(error: unknown): void {
    if (!this.first.isOver) this.first.failWith(error);
    this.lose(failure('lost.broker', 'the broker knows the slot no more'));
  }

  private hold(worker: string, record: AnswerRecord): void {
    this.held.push({ worker, record });
    if (this.held.length > heldRecords)
      this.fail(failure('lost.broker', 'the broker does not say who answers; the answer is given up'));
  }

  private take(record: AnswerRecord): void {
    this.task = record.task;
    this.isLent ||= record.kind === 'done';
    if (record.kind === 'want') {
      this.current = undefined;
      // Who asked first has left, so its task is being cancelled: what was asked here now would end with that.
      if (this.first.hasFailed) this.giveBack();
      else this.owner?.free();
    } else if (record.kind === 'over') {
      this.leaveCurrent(failure('lost.worker', 'the slot was lost in the middle of the answer'));
      this.end(record.why);
    } else if (!this.first.isOver) this.first.arrived(this.worker, record);
    else this.takeCurrent(record);
  }

  private takeCurrent(record: AnswerRecord): void {
    const { current } = this;
    if (current === undefined) return;
    if (record.kind === 'end' && record.failure !== null) this.leaveCurrent(record.failure);
    else current.answer.arrived(this.worker, record);
    if (record.kind === 'done') this.current = undefined;
  }

  private leaveCurrent(why: Failure): void {
    const { current } = this;
    this.current = undefined;
    if (current === undefined || current.answer.isOver) return;
    if (current.answer.hasBegun) current.answer.fail(why);
    else current.move();
  }

  private lose(why: Failure): void {
    if (this.ended) return;
    this.end('lost');
    this.leaveCurrent(why);
    this.owner?.cancel();
  }

  private end(why: OverReason | 'lost'): void {
    if (this.ended) return;
    this.ended = true;
    this.held = [];
    this.owner?.over(why);
  }
}
