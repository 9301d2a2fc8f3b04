/** For tests of slots that are lent: a worker's data endpoint is real, the broker is played, and time is the test's. */
import { type AnswerRecord, hereMark, type LentWriter, readAnswers } from '@gryphgen/runtime';
import { expect } from 'vitest';
import {
  inferenceOf,
  PlayedBroker,
  type PlayedTask,
  type PlayedWorker,
  question,
  textOf,
} from '../inference.fixture.ts';
import type { Inference } from '../inference.ts';
import type { Answer } from './open-answer.ts';
import { TestTime } from './test-time.fixture.ts';

export interface Loan {
  readonly task: PlayedTask;
  readonly lent: LentWriter;
  readonly writer: ReturnType<PlayedWorker['answer']>;
}

export const result = { status: 200, firstMs: 1, restMs: 2, tokens: { prompt: 1, cached: 0, output: 1 } };
const running = new AbortController().signal;

export class LoanPlace {
  readonly time = new TestTime();
  readonly broker: PlayedBroker;
  readonly worker: PlayedWorker;
  readonly inference: Inference;
  /** Kinds of what came from the worker, and was taken up. */
  private readonly seen: string[] = [];
  private wake: () => void = () => undefined;

  private constructor(broker: PlayedBroker, worker: PlayedWorker) {
    this.broker = broker;
    this.worker = worker;
    const read: typeof readAnswers = (reading) =>
      readAnswers({
        ...reading,
        onRecord: (record) => {
          reading.onRecord(record);
          this.seen.push(record.kind);
          this.wake();
        },
      });
    this.inference = inferenceOf(broker, { clock: this.time, alarms: this.time, lends: true, read });
  }

  static async start(): Promise<LoanPlace> {
    const broker = new PlayedBroker();
    return new LoanPlace(broker, await broker.worker('w-0000000000000001'));
  }

  ask(words = 'hello'): Answer {
    return this.inference.ask(question({ request: Buffer.from(words) }));
  }

  count(kind: AnswerRecord['kind']): number {
    return this.seen.filter((one) => one === kind).length;
  }

  async told(kind: AnswerRecord['kind'], times: number): Promise<void> {
    while (this.count(kind) < times)
      await new Promise<void>((resolve) => {
        this.wake = resolve;
      });
  }

  /** The nth task, from its place to its end. */
  async answered(nth: number): Promise<void> {
    const task = await this.broker.asked(nth);
    this.broker.begin(task, this.worker);
    const writer = this.worker.answer(task);
    await writer.write(Buffer.from('plain'));
    await writer.end(null);
    this.broker.end(task);
  }

  /** Three questions are asked; the slot of the fourth, which is answered, is lent. */
  async lent(): Promise<Loan> {
    await this.often();
    return await this.lending(4);
  }

  async often(): Promise<void> {
    for (const nth of [1, 2, 3]) {
      const answer = this.ask();
      await this.answered(nth);
      expect(await textOf(answer.body)).toBe('plain');
      expect((await this.broker.asked(nth)).body.loan).toBeUndefined();
    }
  }

  /** Asked now, its slot is lent; it is answered. */
  async lending(nth: number): Promise<Loan> {
    const answer = this.ask();
    const loan = await this.beginLoan(nth);
    expect(await textOf(answer.body)).toBe('first');
    return loan;
  }

  async beginLoan(nth: number): Promise<Loan> {
    const task = await this.broker.asked(nth);
    expect(task.envelope).toMatchObject({ loan: true, attended: true, taskClass: 'loan infer tiny' });
    expect(task.body).toMatchObject({ loan: true, door: hereMark() });
    this.broker.begin(task, this.worker);
    const writer = this.worker.answer(task);
    await writer.write(Buffer.from('first'));
    const given = writer.lend();
    given.done(result);
    return { task, lent: given, writer };
  }

  /** The slot waits for a question, which whoever asked knows. */
  async free(loan: Loan) {
    const times = this.count('want') + 1;
    const next = loan.lent.next(running);
    await this.told('want', times);
    return async () => {
      const asked = await next;
      if (typeof asked === 'string' || 'proof' in asked) throw new Error('no question');
      return { ...asked, text: Buffer.from(asked.request).toString() };
    };
  }
}
