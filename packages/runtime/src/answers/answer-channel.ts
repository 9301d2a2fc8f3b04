/**
 * One asker's answers at one worker (E33): what calls write, in the order in which they write it, and the connection that
 * takes it.
 *
 * 1. What was written in one turn of the event loop leaves together.
 * 2. At most `queueBytes` wait, and one piece more of each writer: who writes then waits, until the asker takes more.
 * 3. Nobody takes what waits for `patienceMs`: its writers are told that the asker is gone.
 * 4. A connection that ends takes with it the answers of which something was given to it: how much of them arrived, nobody
 *    knows. The others go to the next.
 * 5. Of one answer no more is written than who asked says to hold (`holdBytes`), and as much again as they say to have taken: who is slow
 *    holds up that answer alone.
 * 6. A writer whose slot is lent (E41) writes one answer after the other, each from its question on.
 */
import { type AttemptNo, type Failure, failure, type TaskId } from '@gryphgen/protocol';
import type { Alarms, Cancel } from '../clock.ts';
import type { DataStream } from '../data-stream.ts';
import type { TransferEnd } from '../data-wire.ts';
import type { DuplexStream } from '../duplex-stream.ts';
import { type AnswerFence, type AnswerRecord, writeRecord } from './answer-records.ts';
import { LentSlots } from './lent-slots.ts';
import { type LentWriter, lentWriter } from './lent-writer.ts';
import { QuestionIntake, type QuestionRoom } from './question-intake.ts';

const queueBytes = 256 * 1024;
const patienceMs = 10_000;

/** Where a call puts its answer. */
export interface AnswerWriter {
  /** The question, of so many bytes, where the task's body does not hold it; or why it does not come. Once, before all else. */
  question(bytes: number, signal: AbortSignal): Promise<Uint8Array | Failure>;
  head(status: number, contentType: string): void;
  /** `bytes` are the channel's from now on. Resolves when more may be put; false: the asker is gone. */
  write(bytes: Uint8Array): Promise<boolean>;
  /** Its slot is lent from now on: what has ended so far is the first answer. Once, behind it; then `next`, until that is `undefined`. */
  lend(): LentWriter;
  /** To be called in any case. Resolves when it is on its way, or the asker is gone. Nothing is written behind it. */
  end(failure: Failure | null): Promise<void>;
  /** Its reason is a Failure: what a call that has nobody to answer ends with. */
  readonly gone: AbortSignal;
}

interface Queued {
  readonly writer: Writer;
  readonly pieces: readonly Uint8Array[];
}

export class AnswerChannel {
  private readonly alarms: Alarms;
  private readonly onIdle: () => void;
  private readonly questions: QuestionIntake;
  private readonly lent = new LentSlots();
  private readonly writers = new Set<Writer>();
  private queue: Queued[] = [];
  private queued = 0;
  private reader: DataStream | null = null;
  private wakeReader: () => void = () => undefined;
  private wakeWriters: (() => void)[] = [];
  private cancelPatience: Cancel | undefined;

  /** `onIdle`: nobody writes, and nobody takes. */
  constructor(alarms: Alarms, room: QuestionRoom, onIdle: () => void) {
    this.alarms = alarms;
    this.questions = new QuestionIntake(alarms, room, this.lent, (fence) => this.isWanted(fence));
    this.onIdle = onIdle;
  }

  open(fence: AnswerFence, holdBytes?: number): AnswerWriter {
    const writer = new Writer(fence, this, holdBytes);
    this.writers.add(writer);
    return writer;
  }

  /** The newest connection takes all: its asker has lost the former. Resolves when it has ended, or another came. */
  async serve(stream: DataStream, input: DuplexStream): Promise<TransferEnd> {
    const { signal } = stream.abort;
    if (this.reader !== null) {
      void this.reader.send({ kind: 'end', failure: takenOver });
      this.reader.abort.abort();
      this.leave();
    }
    this.reader = stream;
    this.cancelPatience?.();
    this.cancelPatience = undefined;
    const wake = (): void => this.wakeReader();
    signal.addEventListener('abort', wake, { once: true });
    try {
      // It is taken from now on.
      await stream.send({ kind: 'credit', total: input.granted });
      void input.take(this.questions.reader()).then((isWhole) => isWhole || this.refuse(stream));
      while (this.reader === stream && !signal.aborted) {
        if (this.queue.length === 0) await this.filled();
        // What else this turn brings.
        await new Promise(setImmediate);
        if (this.reader !== stream || signal.aborted) break;
        const batch = this.takeAll();
        if (batch.length > 0 && !(await stream.put(batch))) break;
        this.letWrite();
      }
    } finally {
      signal.removeEventListener('abort', wake);
    }
    if (this.reader !== stream) return { failure: takenOver };
    this.reader = null;
    this.leave();
    this.waitForReader();
    this.lookIdle();
    return { failure: null };
  }

  /** All that write are told that nobody takes it any more. */
  drop(why: Failure): void {
    this.cancelPatience?.();
    this.cancelPatience = undefined;
    for (const writer of this.writers) writer.lose(why);
    this.writers.clear();
    this.queue = [];
    this.queued = 0;
    this.letWrite();
    this.lookIdle();
  }

  /** Resolves when more may be put. For writers. */
  async put(writer: Writer, record: AnswerRecord): Promise<void> {
    const pieces = writeRecord(record);
    this.queue.push({ writer, pieces });
    for (const { length } of pieces) this.queued += length;
    // A head says nothing to anybody before what follows it: they leave together.
    if (record.kind !== 'head') this.wakeReader();
    this.waitForReader();
    while (this.queued > queueBytes && !writer.gone.aborted)
      await new Promise<void>((resolve) => {
        this.wakeWriters.push(resolve);
      });
  }

  /** Resolves with what came for it. */
  async want(
    writer: Writer,
    fence: AnswerFence,
    bytes: number,
    signal: AbortSignal,
  ): Promise<Uint8Array | Failure> {
    const coming = this.questions.want(fence, bytes, signal);
    if (!signal.aborted) void this.put(writer, { ...fence, kind: 'want' });
    return await coming;
  }

  release(bytes: number): void {
    this.questions.release(bytes);
  }

  lend(writer: Writer, fence: AnswerFence): LentWriter {
    const slot = this.lent.open(fence);
    const { gone } = writer;
    gone.addEventListener('abort', () => this.lent.close(fence), { once: true });
    return lentWriter({
      ...{ fence, slot, gone },
      put: (record) => void this.put(writer, record),
      close: () => this.lent.close(fence),
    });
  }

  /** Resolves when what waits was given to a connection. */
  async flushed(writer: Writer): Promise<void> {
    while (this.queue.some((queued) => queued.writer === writer))
      await new Promise<void>((resolve) => {
        this.wakeWriters.push(resolve);
      });
    this.writers.delete(writer);
    this.lookIdle();
  }

  private isWanted({ task, attempt }: AnswerFence): void {
    for (const writer of this.writers) if (writer.isOf(task, attempt)) writer.wanted();
  }

  private takeAll(): Uint8Array {
    const pieces = this.queue.flatMap((queued) => queued.pieces);
    for (const { writer } of this.queue) writer.begun = true;
    this.queue = [];
    this.queued = 0;
    return Buffer.concat(pieces);
  }

  private refuse(stream: DataStream): void {
    void stream.send({ kind: 'end', failure: nonsense });
    stream.abort.abort();
  }

  /** The connection is not there any more (4). */
  private leave(): void {
    for (const writer of this.writers) {
      if (!writer.begun) continue;
      writer.lose(broken);
      this.writers.delete(writer);
    }
    this.queue = this.queue.filter(({ writer }) => !writer.gone.aborted);
    this.queued = this.queue.reduce((sum, { pieces }) => sum + lengthOf(pieces), 0);
    this.letWrite();
  }

  private filled(): Promise<void> {
    return new Promise((resolve) => {
      this.wakeReader = resolve;
    });
  }

  private waitForReader(): void {
    if (this.reader !== null || this.queue.length === 0 || this.cancelPatience !== undefined) return;
    this.cancelPatience = this.alarms.after(patienceMs, () => this.drop(notTaken));
  }

  private letWrite(): void {
    for (const wake of this.wakeWriters.splice(0)) wake();
  }

  private lookIdle(): void {
    if (this.writers.size === 0 && this.reader === null) this.onIdle();
  }
}

class Writer implements AnswerWriter {
  readonly gone: AbortSignal;
  /** Some of it was given to a connection. */
  begun = false;
  private readonly fence: AnswerFence;
  private readonly channel: AnswerChannel;
  private readonly losing = new AbortController();
  private ended = false;
  private isLent = false;
  private questionBytes = 0;
  private readonly holdBytes: number;
  /** Written of this answer, and not said to be taken. */
  private untaken = 0;
  private letMore: () => void = () => undefined;

  constructor(fence: AnswerFence, channel: AnswerChannel, holdBytes = Number.POSITIVE_INFINITY) {
    this.fence = fence;
    this.channel = channel;
    this.holdBytes = holdBytes;
    this.gone = this.losing.signal;
  }

  isOf(task: TaskId, attempt: AttemptNo): boolean {
    return this.fence.task === task && this.fence.attempt === attempt;
  }

  wanted(): void {
    this.untaken = Math.max(0, this.untaken - this.holdBytes / 2);
    this.letMore();
  }

  async question(bytes: number, signal: AbortSignal): Promise<Uint8Array | Failure> {
    const found = await this.channel.want(this, this.fence, bytes, AbortSignal.any([signal, this.gone]));
    if (found instanceof Uint8Array) this.questionBytes = bytes;
    // Its reason is a Failure.
    return this.gone.aborted ? this.gone.reason : found;
  }

  head(status: number, contentType: string): void {
    this.untaken = 0;
    if (this.isOpen) void this.channel.put(this, { ...this.fence, kind: 'head', status, contentType });
  }

  async write(bytes: Uint8Array): Promise<boolean> {
    if (!this.isOpen || bytes.length === 0) return this.isOpen;
    this.untaken += bytes.length;
    await this.channel.put(this, { ...this.fence, kind: 'data', bytes });
    while (this.untaken >= this.holdBytes && this.isOpen)
      await new Promise<void>((resolve) => {
        this.letMore = resolve;
      });
    return this.isOpen;
  }

  lend(): LentWriter {
    this.releaseQuestion();
    this.isLent = true;
    return this.channel.lend(this, this.fence);
  }

  async end(why: Failure | null): Promise<void> {
    this.releaseQuestion();
    if (!this.isOpen) return;
    this.ended = true;
    // The end of each answer was told with it.
    if (!this.isLent) void this.channel.put(this, { ...this.fence, kind: 'end', failure: why });
    await this.channel.flushed(this);
  }

  private releaseQuestion(): void {
    this.channel.release(this.questionBytes);
    this.questionBytes = 0;
  }

  lose(why: Failure): void {
    this.losing.abort(why);
    this.letMore();
  }

  private get isOpen(): boolean {
    return !this.ended && !this.gone.aborted;
  }
}

function lengthOf(pieces: readonly Uint8Array[]): number {
  return pieces.reduce((sum, { length }) => sum + length, 0);
}

const nonsense = failure('rejected.invalid', 'the questions that came make no sense');
const takenOver = failure('rejected.state', 'another connection takes these answers now');
/** It may be asked for again: who asked is likely to be there. */
const broken = failure('lost.link', 'the connection to who asked broke while the answer was under way');
/** It is not tried again: nobody would come for that one either. */
const notTaken = failure(
  'rejected.state',
  `nobody has come for the answer in ${patienceMs / 1000} s: who asked is gone`,
);
