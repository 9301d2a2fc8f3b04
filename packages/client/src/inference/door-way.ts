/**
 * How the server of a slot that is taken is asked (E42): by a connection of the slot's own, one question at a time.
 *
 * 1. What was answered is told to the worker in sum, `tellMs` after the first of which it was not told, and at the end: it costs nothing
 *    for each. What was not told, a crash forgets.
 * 2. Once it is called back in the middle of an answer it says each `wordMs` that this goes on.
 * 3. Its connection ends with it, and with that what is under way there.
 */
import type { Failure, InferResult } from '@gryphgen/protocol';
import {
  type Alarms,
  AnswerSum,
  askModel,
  type Cancel,
  type Clock,
  KeptConnections,
  type OpenedDoor,
} from '@gryphgen/runtime';
import type { Question } from './question.ts';

const tellMs = 500;
const wordMs = 2000;

export interface DoorWayTime {
  readonly clock: Clock;
  readonly alarms: Alarms;
}

interface DoorWayOptions {
  readonly door: OpenedDoor['door'];
  readonly time: DoorWayTime;
  readonly tell: (sum: InferResult) => void;
}

type Taking = Pick<Parameters<typeof askModel>[0], 'onHead' | 'take'>;

export class DoorWay {
  private readonly options: DoorWayOptions;
  private readonly kept = new KeptConnections();
  private readonly sum = new AnswerSum();
  /** Of all questions until one is left: each signal costs some microseconds. */
  private asking = new AbortController();
  private isAsking = false;
  private cancelTell: Cancel | undefined;
  private cancelWord: Cancel | undefined;

  constructor(options: DoorWayOptions) {
    this.options = options;
  }

  get isBusy(): boolean {
    return this.isAsking;
  }

  /** `left`: nobody takes its answer any more. To be called when it is not busy. */
  async ask({ model, path, request }: Question, taking: Taking): Promise<InferResult | Failure | 'left'> {
    const { door, time } = this.options;
    if (this.asking.signal.aborted) this.asking = new AbortController();
    this.isAsking = true;
    const { clock } = time;
    const { signal } = this.asking;
    const how = await askModel({ door, kept: this.kept, model, path, request, clock, signal, ...taking });
    this.isAsking = false;
    if (how !== 'left' && !('code' in how)) this.note(how);
    return how;
  }

  leave(): void {
    if (this.isAsking) this.asking.abort();
  }

  /** What was not told yet. */
  tellNow(): void {
    if (this.cancelTell === undefined) return;
    this.cancelTell();
    this.cancelTell = undefined;
    this.tell();
  }

  /** Until it is closed. */
  sayBusy(): void {
    this.cancelWord = this.options.time.alarms.after(wordMs, () => this.sayBusy());
    this.tell();
  }

  close(): void {
    this.cancelTell?.();
    this.cancelTell = undefined;
    this.cancelWord?.();
    this.leave();
    this.kept.close();
  }

  private tell(): void {
    this.options.tell(this.sum.with({ status: 200, firstMs: 0, restMs: 0 }));
  }

  private note(result: InferResult): void {
    this.sum.add(result);
    this.cancelTell ??= this.options.time.alarms.after(tellMs, () => this.tellNow());
  }
}
