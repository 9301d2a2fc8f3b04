/**
 * A slot of an instance that is lent here (E41): a task whose question was answered, and which answers more.
 *
 * 1. Its first question is a task's as any: the broker places it, and tries it again. From the end of that answer on the slot is asked
 *    straight, one question at a time, each when the slot says that it waits for one.
 * 2. A question that the slot did not begin to answer is asked anew; one that it began fails, since two beginnings do not make an answer.
 * 3. What comes before the broker's word of where the slot is is held, `heldRecords` at most.
 * 4. One whose server is on this machine is taken when it waits next: from then on that is asked straight (E42), until the worker calls
 *    it back, or it is needed no more; what is under way then ends before.
 */
import { type AttemptNo, type Failure, failure, type TaskId } from '@gryphgen/protocol';
import {
  type AnswerFence,
  type AnswerRecord,
  type OpenedDoor,
  type OverReason,
  openDoor,
  type QuestionOutlet,
} from '@gryphgen/runtime';
import type { Outcome } from '../pending.ts';
import type { LineUser } from './answer-line.ts';
import { DoorWay, type DoorWayTime } from './door-way.ts';
import type { OpenAnswer } from './open-answer.ts';
import type { Question } from './question.ts';

/** Of one answer: more comes from nobody who means well. */
const heldRecords = 4096;

/** Who waits for an answer, and how it is had if not here. */
export interface LentWish {
  readonly question: Question;
  readonly answer: OpenAnswer;
  /** Nothing of it has come: it is asked anew. */
  move(): void;
}

type LentRecord = Parameters<QuestionOutlet['tell']>[0];
type WithoutFence<R> = R extends LentRecord ? Omit<R, keyof AnswerFence> : never;
type LentWord = WithoutFence<LentRecord>;

interface SlotOwner {
  tell(record: LentRecord): void;
  /** It was given, and answers its first question. */
  placed(): void;
  /** It waits for a question. */
  free(): void;
  over(why: OverReason | 'lost'): void;
  /** Its task is of no use any more. */
  cancel(): void;
}

/** Of who asks, in which their slots are. */
export interface SlotPlace extends DoorWayTime {
  readonly channel: string;
}

export class LentSlot implements LineUser {
  private readonly first: OpenAnswer;
  private readonly place: SlotPlace;
  private owner: SlotOwner | undefined;
  private task: TaskId | undefined;
  private attempt = 0;
  private worker = '';
  private asked = 1;
  private current: LentWish | undefined;
  private isLent = false;
  private ended = false;
  /** Where its server is: what is being looked at, and what was found. */
  private opening: Promise<OpenedDoor | undefined> | undefined;
  private opened: OpenedDoor | undefined;
  private way: DoorWay | undefined;
  private calledBack: OverReason | undefined;
  private held: { readonly worker: string; readonly record: AnswerRecord }[] = [];

  constructor(first: OpenAnswer, place: SlotPlace) {
    this.first = first;
    this.place = place;
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
    const { answer, question } = wish;
    answer.question = this.asked;
    answer.way = this.way === undefined ? 'lent' : 'straight';
    answer.accepted.resolve(task);
    answer.placed(attempt, worker);
    if (this.way === undefined) this.tell({ kind: 'ask', bytes: question.request });
    else void this.askStraight(this.way, wish);
  }

  /** Nobody takes the answer of this one any more. */
  leave(wish: LentWish): void {
    if (this.current !== wish || this.task === undefined) return;
    this.current = undefined;
    if (this.way === undefined) this.tell({ kind: 'leave' });
    else this.way.leave();
  }

  /** It is needed no more. */
  giveBack(): void {
    if (!this.ended && this.task !== undefined) this.conclude('back');
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
    if (record.kind === 'want') this.waits();
    else if (record.kind === 'door') this.look(record.door);
    else if (record.kind === 'given') this.isGiven();
    else if (record.kind === 'over') this.isCalledBack(record.why);
    else if (!this.first.isOver) this.first.arrived(this.worker, record);
    else this.takeCurrent(record);
  }

  private waits(): void {
    // Of one that is taken nobody says so but here.
    if (this.way !== undefined) return;
    this.current = undefined;
    // Who asked first has left, so its task is being cancelled: what was asked here now would end with that.
    if (this.first.hasFailed) {
      this.giveBack();
      return;
    }
    const { opening } = this;
    // Once: where it is not given, its worker answers on.
    this.opening = undefined;
    if (opening === undefined) this.owner?.free();
    else void opening.then((opened) => this.takes(opened));
  }

  private look(offer: Parameters<typeof openDoor>[0]): void {
    const { task, attempt, place } = this;
    if (task !== undefined)
      this.opening = openDoor(offer, { channel: place.channel, task, attempt: attempt as AttemptNo });
  }

  private takes(opened: OpenedDoor | undefined): void {
    if (this.ended || this.way !== undefined) return;
    this.opened = opened;
    if (opened === undefined) this.owner?.free();
    else this.tell({ kind: 'take', proof: opened.proof });
  }

  private isGiven(): void {
    const { opened } = this;
    if (opened === undefined || this.way !== undefined) return;
    this.opened = undefined;
    this.way = new DoorWay({
      ...{ door: opened.door, time: this.place },
      tell: (result) => this.tell({ kind: 'done', result }),
    });
    this.owner?.free();
  }

  /** Of one that is taken, what is under way goes on, unless its attempt has ended. */
  private isCalledBack(why: OverReason): void {
    if (this.way !== undefined && why !== 'ended') {
      const isFirst = this.calledBack === undefined;
      this.calledBack = why;
      if (!this.way.isBusy) this.conclude(why);
      else if (isFirst) this.way.sayBusy();
      return;
    }
    this.leaveCurrent(failure('lost.worker', 'the slot was lost in the middle of the answer'));
    this.end(why);
  }

  private async askStraight(way: DoorWay, wish: LentWish): Promise<void> {
    const { task, attempt, worker } = this;
    if (task === undefined) return;
    const fence = { task, attempt: attempt as AttemptNo };
    const isWanted = (): boolean => this.current === wish;
    const how = await way.ask(wish.question, {
      onHead: (status, contentType) => {
        if (isWanted()) wish.answer.arrived(worker, { ...fence, kind: 'head', status, contentType });
      },
      take: (bytes) => {
        if (isWanted()) wish.answer.arrived(worker, { ...fence, kind: 'data', bytes });
        const room = wish.answer.room();
        return room === true ? isWanted() : room.then(isWanted);
      },
    });
    const isFailed = how !== 'left' && 'code' in how;
    if (isWanted()) {
      if (isFailed) this.leaveCurrent(how);
      else if (how !== 'left') wish.answer.arrived(worker, { ...fence, kind: 'done', result: how });
      this.current = undefined;
    }
    if (this.ended) return;
    if (this.calledBack !== undefined) this.conclude(this.calledBack);
    else if (isFailed) this.conclude('back');
    else this.owner?.free();
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

  /** It is the worker's again, with what was answered. */
  private conclude(why: OverReason): void {
    this.way?.tellNow();
    this.tell({ kind: 'over', why: 'back' });
    this.end(why);
  }

  private tell(word: LentWord): void {
    const { task, attempt } = this;
    if (task !== undefined) this.owner?.tell({ ...word, task, attempt: attempt as AttemptNo });
  }

  private end(why: OverReason | 'lost'): void {
    if (this.ended) return;
    this.ended = true;
    this.way?.close();
    this.held = [];
    this.owner?.over(why);
  }
}
