/**
 * Questions that are too long for a task's body, on their way from who asks to the attempt that answers them (E33): an
 * attempt wants its own, and what comes on the channel's connection is put together for it.
 *
 * 1. Nothing is held that no attempt wants; of what is wanted the length is known, and more than that is refused.
 * 2. All attempts of a worker together hold `heldBytes` at most, counted before the first byte comes.
 * 3. What is wanted comes within `questionMs`, or its attempt is told that it did not.
 */
import { type Failure, failure, limits } from '@gryphgen/protocol';
import type { Alarms, Cancel } from '../clock.ts';
import { type AnswerFence, type AnswerRecord, RecordReader } from './answer-records.ts';
import type { LentSlots } from './lent-slots.ts';

/** Sixteen of the longest. */
const heldBytes = 16 * limits.questionBytes;
/** The longest, at two megabits a second. */
const questionMs = 5 * 60_000;

/** What the attempts of one worker hold of questions. */
export class QuestionRoom {
  private held = 0;

  /** False: there is none. */
  take(bytes: number): boolean {
    if (this.held + bytes > heldBytes) return false;
    this.held += bytes;
    return true;
  }

  leave(bytes: number): void {
    this.held -= bytes;
  }
}

interface Wanted {
  readonly bytes: Buffer;
  at: number;
  readonly tell: (what: Uint8Array | Failure) => void;
}

/** Of one channel. `lent`: to whom goes what comes for slots that are lent; `onWanted`: that more of an answer is wanted. */
export class QuestionIntake {
  private readonly alarms: Alarms;
  private readonly room: QuestionRoom;
  private readonly lent: LentSlots;
  private readonly onWanted: (fence: AnswerFence) => void;
  private readonly wanted = new Map<string, Wanted>();

  constructor(alarms: Alarms, room: QuestionRoom, lent: LentSlots, onWanted: (fence: AnswerFence) => void) {
    this.alarms = alarms;
    this.room = room;
    this.lent = lent;
    this.onWanted = onWanted;
  }

  /** What has come when `signal` is aborted is let go. `release` once it is needed no more, in any case. */
  want(fence: AnswerFence, length: number, signal: AbortSignal): Promise<Uint8Array | Failure> {
    if (signal.aborted) return Promise.resolve(notNeeded);
    if (!this.room.take(length)) return Promise.resolve(noRoom);
    const key = keyOf(fence);
    return new Promise((resolve) => {
      let cancelLate: Cancel = () => undefined;
      const stop = (): void => tell(notNeeded);
      const tell = (what: Uint8Array | Failure): void => {
        if (!this.wanted.delete(key)) return;
        cancelLate();
        signal.removeEventListener('abort', stop);
        if (!(what instanceof Uint8Array)) this.room.leave(length);
        resolve(what);
      };
      this.wanted.set(key, { bytes: Buffer.allocUnsafe(length), at: 0, tell });
      cancelLate = this.alarms.after(questionMs, () => tell(tooLate));
      signal.addEventListener('abort', stop, { once: true });
    });
  }

  /** Of a question that had come. */
  release(bytes: number): void {
    this.room.leave(bytes);
  }

  /** Takes up what one connection brings, as it comes. False: it makes no sense, and nothing behind it could. */
  reader(): (bytes: Uint8Array) => boolean {
    const records = new RecordReader();
    return (bytes) => {
      for (const record of records.take(bytes)) {
        if (record === 'malformed') return false;
        if (record.kind === 'data' || record.kind === 'end') this.take(record);
        else if (record.kind === 'want') this.onWanted(record);
        else this.lent.take(record);
      }
      return true;
    };
  }

  /** What nobody wants any more was under way when that was said. */
  private take(record: AnswerRecord): void {
    const wanted = this.wanted.get(keyOf(record));
    if (wanted === undefined) return;
    if (record.kind === 'data') {
      const at = wanted.at + record.bytes.length;
      if (at > wanted.bytes.length) wanted.tell(otherLength);
      else wanted.bytes.set(record.bytes, wanted.at);
      wanted.at = at;
    } else if (record.kind === 'end')
      wanted.tell(wanted.at === wanted.bytes.length ? wanted.bytes : otherLength);
  }
}

function keyOf({ task, attempt }: AnswerFence): string {
  return `${task} ${attempt}`;
}

const notNeeded = failure('cancelled.user', 'the question is needed no more');
const noRoom = failure('rejected.limit', `the worker holds ${heldBytes} bytes of long questions already`);
const tooLate = failure('rejected.state', `the question did not come within ${questionMs / 1000} s`);
const otherLength = failure('rejected.invalid', 'the question has another length than its task says');
