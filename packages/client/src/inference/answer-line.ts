/**
 * The connection by which one worker's answers come (E33): opened when somebody waits for an answer there, kept for the
 * next, made anew when it breaks.
 *
 * 1. That it broke is told to all who wait, who know what that means for them; who still waits then has it made anew.
 * 2. After `maxTries` that came to nothing, or when it is refused, that is final: all who wait are told so. A worker of which
 *    the broker says that it is away may come back: whether its attempts are lost is the broker's to say, to those who wait.
 * 3. With nobody waiting it is closed after `idleMs`: a worker has room for so many.
 */
import { type Failure, GridError } from '@gryphgen/protocol';
import {
  type Alarms,
  type AnswerRecord,
  type AnswersReading,
  type Cancel,
  pause,
  type QuestionOutlet,
  type readAnswers,
} from '@gryphgen/runtime';

const maxTries = 3;
const retryMs = 250;
const idleMs = 60_000;

/** Who waits for an answer from the worker. */
export interface LineUser {
  /** Nothing of what was on its way comes any more. `final`: and nothing will. */
  onBroken(why: Failure, final: boolean): void;
}

export interface LineOptions {
  readonly channel: string;
  readonly alarms: Alarms;
  readonly read: typeof readAnswers;
  /** Where it is, straight or through the relay, and the permission. */
  readonly ask: (
    signal: AbortSignal,
  ) => Promise<Pick<AnswersReading, 'endpoint' | 'dataKey' | 'grant' | 'orElse' | 'unreached'>>;
  readonly onRecord: (record: AnswerRecord) => void;
  readonly onClosed: () => void;
}

export class AnswerLine {
  /** When it is closed and nothing is under way. */
  readonly ended: Promise<void>;
  private readonly options: LineOptions;
  private readonly users = new Set<LineUser>();
  private readonly closing = new AbortController();
  private trying = new AbortController();
  private isOpen = false;
  private outlet: QuestionOutlet | undefined;
  private cancelIdle: Cancel = () => undefined;

  constructor(options: LineOptions) {
    this.options = options;
    this.idle();
    this.ended = this.run();
  }

  use(user: LineUser): void {
    this.cancelIdle();
    this.users.add(user);
  }

  leave(user: LineUser): void {
    if (!this.users.delete(user) || this.users.size > 0) return;
    this.idle();
  }

  /** To the attempt that wants it; one that it does not reach is lost with the connection. */
  async send(record: AnswerRecord, question: Uint8Array, signal: AbortSignal): Promise<void> {
    await this.outlet?.send(record, question, signal);
  }

  /** To a slot that is lent there (E41); lost with the connection. */
  tell(record: Parameters<QuestionOutlet['tell']>[0]): void {
    this.outlet?.tell(record);
  }

  /** The worker is there anew, maybe elsewhere: what is being tried may lead nowhere. */
  renew(): void {
    if (!this.isOpen) this.trying.abort();
  }

  close(): void {
    if (this.closing.signal.aborted) return;
    this.cancelIdle();
    this.closing.abort();
    this.options.onClosed();
  }

  private idle(): void {
    this.cancelIdle();
    this.cancelIdle = this.options.alarms.after(idleMs, () => this.close());
  }

  private async run(): Promise<void> {
    const { signal } = this.closing;
    for (let tries = 0; ; ) {
      const { why, isAway } = await this.once();
      const wasOpen = this.isOpen;
      tries = wasOpen || isAway ? 0 : tries + 1;
      this.isOpen = false;
      if (this.trying.signal.aborted && !signal.aborted) continue;
      const isFinal = signal.aborted || tries >= maxTries || why.code.startsWith('rejected.');
      for (const user of [...this.users]) user.onBroken(why, isFinal);
      if (isFinal || this.users.size === 0) return this.close();
      if (!wasOpen) await pause(this.options.alarms, retryMs * Math.max(1, tries), signal);
    }
  }

  /** Until it has broken, or came to nothing. */
  private async once(): Promise<{ readonly why: Failure; readonly isAway: boolean }> {
    const { ask, read, channel, alarms, onRecord } = this.options;
    this.trying = new AbortController();
    const signal = AbortSignal.any([this.closing.signal, this.trying.signal]);
    const onOpen = (outlet: QuestionOutlet): void => {
      this.isOpen = true;
      this.outlet = outlet;
    };
    let isAsked = false;
    try {
      const place = await ask(this.closing.signal);
      isAsked = true;
      return { why: await read({ ...place, channel, alarms, signal, onOpen, onRecord }), isAway: false };
    } catch (error) {
      const why = failureOf(error, signal);
      return { why, isAway: !isAsked && why.code === 'lost.worker' };
    }
  }
}

function failureOf(error: unknown, { aborted }: AbortSignal): Failure {
  if (error instanceof GridError) return error.failure;
  if (aborted) return { code: 'lost.link', message: 'the connection was closed' };
  const words = error instanceof Error ? error.message : String(error);
  return { code: 'lost.link', message: `the worker's endpoint cannot be used: ${words}` };
}
