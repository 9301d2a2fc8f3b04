/**
 * Brings logs that have ended to where they outlive this worker: beside the broker. An attempt's end never waits for it.
 *
 * 1. A log is brought when its attempt is held no more: one that has ended may go on while it is, in this life or the next.
 * 2. A log counts as copied when all that was brought with it has been taken; until then it is brought again, also by this
 *    worker's next life.
 */
import { type Failure, failure, type KeepGrantDocument } from '@gryphgen/protocol';
import {
  type Alarms,
  type DuplexSession,
  keptLogHead,
  keptLogOf,
  type Log,
  openDuplex,
  pause,
  placesBeside,
} from '@gryphgen/runtime';
import type { BrokerQuestions } from './artifacts/broker-questions.ts';
import type { LogName, LogStore } from './log-store.ts';

/** Tasks end in crowds: one connection serves all that ended meanwhile. */
const gatherMs = 1000;
const batchLogs = 256;
const retryMs = 30_000;
/** An older broker, or a disk without room. */
const refusedMs = 600_000;

export interface LogCopiesOptions {
  readonly logs: LogStore;
  readonly questions: BrokerQuestions;
  readonly alarms: Alarms;
  readonly log: Log;
  /** Attempts that are not forgotten yet. */
  readonly held: () => Iterable<{ readonly fence: LogName }>;
}

export class LogCopies {
  private readonly options: LogCopiesOptions;
  private readonly over = new AbortController();
  private running: Promise<void> | undefined;

  constructor(options: LogCopiesOptions) {
    this.options = options;
  }

  async stop(): Promise<void> {
    this.over.abort();
    await this.running;
  }

  /** From adoption on, and when an attempt was forgotten. */
  begin(): void {
    if (this.over.signal.aborted) return;
    this.running ??= this.bringAll().finally(() => {
      this.running = undefined;
      // It was forgotten just now.
      if (this.uncopied(1).length > 0) this.begin();
    });
  }

  private async bringAll(): Promise<void> {
    const { alarms, log } = this.options;
    const { signal } = this.over;
    await pause(alarms, gatherMs, signal);
    for (let batch = this.uncopied(batchLogs); batch.length > 0; batch = this.uncopied(batchLogs)) {
      if (signal.aborted) return;
      const why = await this.bring(batch).catch((error: unknown) =>
        failure('internal.bug', error instanceof Error ? error.message : String(error)),
      );
      if (signal.aborted) return;
      if (why === null) continue;
      log.warn({ why: why.message, logs: batch.length }, 'logs could not be brought to the broker yet');
      await pause(alarms, why.code.startsWith('rejected.') ? refusedMs : retryMs, signal);
    }
  }

  private uncopied(most: number): readonly LogName[] {
    const { logs, held } = this.options;
    const names = new Set([...held()].map(({ fence: { task, attempt } }) => `${task}.${attempt}`));
    return logs.uncopied(most, ({ task, attempt }) => names.has(`${task}.${attempt}`));
  }

  /** Null when all of them are there. */
  private async bring(batch: readonly LogName[]): Promise<Failure | null> {
    const { logs, questions } = this.options;
    const granted = await questions.ask('keepLogs', {}, this.over.signal);
    if ('code' in granted) return granted;
    const why = await this.send(batch, granted);
    if (why === null) for (const name of batch) await logs.noteCopied(name);
    return why;
  }

  private async send(
    batch: readonly LogName[],
    { grant, broker }: KeepGrantDocument,
  ): Promise<Failure | null> {
    const { questions, alarms } = this.options;
    const { signal } = this.over;
    const [place] = placesBeside(broker, questions.brokerEndpoint);
    if (place === undefined)
      return failure('lost.link', 'what keeps logs beside the broker cannot be reached');
    const session = await openDuplex({ ...place, alarms, request: { kind: 'keepLogs', grant } });
    if ('failure' in session) return session.failure;
    const leave = (): void => void session.close();
    signal.addEventListener('abort', leave, { once: true });
    if (signal.aborted) leave();
    try {
      for (const name of batch) if (!(await this.sendOrGiveUp(name, session))) break;
      session.endInput();
      return (await session.ended).failure;
    } finally {
      signal.removeEventListener('abort', leave);
      await session.close();
    }
  }

  /** One that this disk does not give any more must not stand before the others for ever. */
  private async sendOrGiveUp(name: LogName, session: DuplexSession): Promise<boolean> {
    try {
      return await this.sendOne(name, (bytes) => session.write(bytes));
    } catch (error) {
      await this.options.logs.noteCopied(name);
      throw error;
    }
  }

  /** False when nothing more is taken. */
  private async sendOne(name: LogName, write: (bytes: Uint8Array) => Promise<boolean>): Promise<boolean> {
    const { logs } = this.options;
    const { signal } = this.over;
    const kept = keptLogOf(logs.bytesOf(name), logs.read({ ...name, from: 0, follow: false, signal }));
    // It was let go of meanwhile.
    if (kept.bytes === 0) return true;
    const { task, attempt } = name;
    if (!(await write(keptLogHead({ task, attempt, bytes: kept.bytes })))) return false;
    for await (const bytes of kept.log) if (!(await write(bytes))) return false;
    return true;
  }
}
