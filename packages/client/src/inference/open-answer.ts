/**
 * One answer, from the question until its last byte: what of its task, of its attempts and of what comes of them is the
 * answer, decided in one place.
 *
 * 1. Only what comes from the worker that has the attempt, by the broker's word, is of the answer. What is there before
 *    that word is held.
 * 2. Of attempts the newest counts, until something of one was passed on; then the loss of that one is the answer's end.
 * 3. For whoever reads some of it is held (HeldPieces); who takes none of that has the answer given up.
 * 4. An answer that is given up, for whatever reason, has its task cancelled.
 * 5. One that a lent slot gives (E41) has no task of its own. Should that slot be lost before its first byte, it becomes one's.
 */
import {
  type Failure,
  failure,
  GridError,
  type InferResult,
  readInferResult,
  type TaskId,
} from '@gryphgen/protocol';
import type { Alarms, AnswerFence, AnswerRecord } from '@gryphgen/runtime';
import { type Deferred, deferred, type Outcome } from '../pending.ts';
import type { LineUser } from './answer-line.ts';
import { HeldPieces } from './held-pieces.ts';

/** Before the broker's word of who has the attempt. */
const earlyBytes = 1024 * 1024;

export interface AnswerHead {
  /** HTTP's. */
  readonly status: number;
  readonly contentType: string;
}

/** How far an answer has come, for who waits for its first byte. `worker`: '' while it waits for a place. */
export interface AnswerProgress {
  readonly state: 'waiting' | 'leased' | 'running';
  readonly attempt: number;
  readonly worker: string;
  readonly workerName: string;
}

/** By a task of its own; by a slot that is lent (E41); by that one's server, asked straight (E42). */
export type AnswerWay = 'task' | 'lent' | 'straight';

export interface Answer {
  /** When the question was accepted; of one that a lent slot answers, the task that lends it, also where that slot is lost then. */
  readonly task: Promise<TaskId>;
  /** Which of that task's questions it is, from 1; known when that is. */
  readonly question: number;
  /** How it came; known when its head is. */
  readonly way: AnswerWay;
  /** With its first byte. */
  readonly head: Promise<AnswerHead>;
  /** To be taken once. Throws GridError where the answer is not whole. Who stops taking it cancels it. */
  readonly body: AsyncIterable<Uint8Array>;
  /** Behind the last byte. Rejects as `body` throws. */
  readonly result: Promise<InferResult>;
}

interface AnswerOwner {
  /** Cancels the task. */
  cancel(): void;
  /** There is nothing more to wait for. */
  over(): void;
  /** The attempt waits for its question. */
  wanted(record: AnswerRecord): void;
  /** It may write more. */
  wantsMore(fence: AnswerFence): void;
  /** Who had this task's attempt, of which the end was told first; told by `placed`. */
  lookUp(task: TaskId): void;
}

export class OpenAnswer implements Answer, LineUser {
  readonly accepted: Deferred<TaskId> = deferred();
  readonly task: Promise<TaskId>;
  readonly head: Promise<AnswerHead>;
  readonly result: Promise<InferResult>;
  readonly body: AsyncIterable<Uint8Array>;
  question = 1;
  way: AnswerWay = 'task';
  private readonly owner: AnswerOwner;
  private readonly headTold: Deferred<AnswerHead> = deferred();
  private readonly resultTold: Deferred<InferResult> = deferred();
  private attempt = 0;
  private worker = '';
  private headSeen: AnswerHead | undefined;
  private begun = false;
  private ended = false;
  private failed: GridError | undefined;
  /** How it was come by is known, or that it cannot be. */
  private isConcluded = false;
  private held: { readonly worker: string; readonly record: AnswerRecord }[] = [];
  private heldBytes = 0;
  private readonly pieces: HeldPieces;
  /** What came last. */
  private source: AnswerFence | undefined;

  constructor(owner: AnswerOwner, alarms: Alarms) {
    this.owner = owner;
    this.pieces = new HeldPieces({
      ...{ alarms, onFailed: (why) => this.fail(why) },
      onTaken: () => {
        const { source, way } = this;
        if (source !== undefined && way !== 'straight') this.owner.wantsMore(source);
      },
    });
    this.task = this.accepted.promise;
    this.head = this.headTold.promise;
    this.result = this.resultTold.promise;
    this.body = this.read();
  }

  get isOver(): boolean {
    return this.failed !== undefined || (this.ended && this.isConcluded);
  }

  /** Given up, or not whole. */
  get hasFailed(): boolean {
    return this.failed !== undefined;
  }

  /** Something of it was passed on. */
  get hasBegun(): boolean {
    return this.begun;
  }

  /** The broker says which attempt there is, and where. */
  placed(attempt: number, worker: string): void {
    if (this.failed !== undefined || worker === '' || attempt <= this.attempt) return;
    if (this.begun) {
      if (!this.ended) this.fail(failure('lost.worker', 'the worker was lost in the middle of the answer'));
      return;
    }
    this.attempt = attempt;
    this.worker = worker;
    this.headSeen = undefined;
    const { held } = this;
    this.held = [];
    this.heldBytes = 0;
    for (const early of held) this.arrived(early.worker, early.record);
  }

  arrived(worker: string, record: AnswerRecord): void {
    if (this.ended || this.failed !== undefined || record.attempt < this.attempt) return;
    if (record.attempt > this.attempt) this.hold(worker, record);
    else if (worker === this.worker) this.take(record);
  }

  finished(outcome: Outcome): void {
    if (this.failed === undefined && outcome.failure !== null && !this.ended) this.fail(outcome.failure);
    this.isConcluded = true;
    if (this.failed !== undefined) return;
    if (outcome.failure !== null) {
      // All of the answer is there, and how it was come by is not known.
      this.resultTold.reject(new GridError(outcome.failure));
      this.owner.over();
      return;
    }
    const result = readInferResult(outcome.result);
    if (result === undefined) {
      this.fail(failure('internal.bug', "the worker's result is none"));
      return;
    }
    this.resultTold.resolve(result);
    if (result.body !== undefined && !this.begun) this.takeWhole(result, result.body);
    if (this.ended) this.owner.over();
    else if (this.attempt < outcome.attempts) this.owner.lookUp(outcome.task);
  }

  /** Resolves when more of it may come, or no more is wanted. */
  room(): true | Promise<void> {
    return this.pieces.room();
  }

  onBroken(why: Failure, final: boolean): void {
    if (this.ended) return;
    // What had not begun has another connection, or another attempt.
    if (this.begun || final || this.isConcluded) this.fail(why);
  }

  /** The slot that was to answer it is lost, and nothing of it had come: it is asked anew. */
  moved(): void {
    this.attempt = 0;
    this.worker = '';
    this.headSeen = undefined;
    this.way = 'task';
  }

  fail(why: Failure): void {
    if (this.isOver) return;
    const error = new GridError(why);
    this.failed = error;
    this.held = [];
    this.accepted.reject(error);
    this.headTold.reject(error);
    this.resultTold.reject(error);
    // Of one that has ended this changes nothing.
    this.owner.cancel();
    this.owner.over();
    this.pieces.end();
  }

  /** Of what a call threw. */
  failWith(error: unknown): void {
    const words = error instanceof Error ? error.message : String(error);
    this.fail(error instanceof GridError ? error.failure : failure('internal.bug', words));
  }

  private hold(worker: string, record: AnswerRecord): void {
    this.held.push({ worker, record });
    this.heldBytes += record.kind === 'data' ? record.bytes.length : 1;
    if (this.heldBytes > earlyBytes)
      this.fail(failure('lost.broker', 'the broker does not say who answers; the answer is given up'));
  }

  private take(record: AnswerRecord): void {
    switch (record.kind) {
      case 'head':
        this.headSeen = { status: record.status, contentType: record.contentType };
        return;
      case 'data':
        this.begin();
        this.source = { task: record.task, attempt: record.attempt };
        this.pieces.push(record.bytes);
        return;
      case 'end':
        if (record.failure === null) {
          this.begin();
          this.end();
        } else if (this.begun) this.fail(record.failure);
        // Else the task is tried again, or its end says the same.
        return;
      case 'want':
        this.owner.wanted(record);
        return;
      case 'done':
        this.isConcluded = true;
        this.resultTold.resolve(record.result);
        this.begin();
        this.end();
        return;
      case 'ask':
      case 'leave':
      case 'over':
      case 'door':
      case 'take':
      case 'given':
        // The slot's.
        return;
      default:
        record satisfies never;
    }
  }

  private takeWhole({ status }: InferResult, body: string): void {
    this.headSeen = { status, contentType: 'application/json' };
    this.begin();
    this.pieces.push(new TextEncoder().encode(body));
    this.end();
  }

  private begin(): void {
    if (this.begun) return;
    this.begun = true;
    this.headTold.resolve(this.headSeen ?? { status: 200, contentType: 'application/octet-stream' });
  }

  private end(): void {
    if (this.failed !== undefined) return;
    this.ended = true;
    this.pieces.end();
    if (this.isConcluded) this.owner.over();
  }

  private async *read(): AsyncGenerator<Uint8Array, void> {
    try {
      for (;;) {
        const piece = this.pieces.take();
        if (piece !== undefined) yield piece;
        else if (this.failed !== undefined) throw this.failed;
        else if (this.ended) return;
        else await this.pieces.filled();
      }
    } finally {
      if (!this.ended) this.fail(failure('cancelled.user', 'nobody takes the answer any more'));
    }
  }
}
