/** Slots that are lent (E41): workers' data endpoints are real, the broker is played, and time is the test's. */
import { failure } from '@gryphgen/protocol';
import { type AnswerRecord, type LentWriter, readAnswers } from '@gryphgen/runtime';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
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

let time: TestTime;
let broker: PlayedBroker;
let worker: PlayedWorker;
let inference: Inference;
/** Kinds of what came from the worker, and was taken up. */
let seen: string[];
let wake: () => void;
async function told(kind: AnswerRecord['kind'], times: number): Promise<void> {
  while (seen.filter((one) => one === kind).length < times)
    await new Promise<void>((resolve) => {
      wake = resolve;
    });
}

beforeEach(async () => {
  seen = [];
  wake = () => undefined;
  time = new TestTime();
  broker = new PlayedBroker();
  worker = await broker.worker('w-0000000000000001');
  const read: typeof readAnswers = (reading) =>
    readAnswers({
      ...reading,
      onRecord: (record) => {
        reading.onRecord(record);
        seen.push(record.kind);
        wake();
      },
    });
  inference = inferenceOf(broker, { clock: time, alarms: time, lends: true, read });
});
afterEach(() => time.end());

const result = { status: 200, firstMs: 1, restMs: 2, tokens: { prompt: 1, cached: 0, output: 1 } };
const running = new AbortController().signal;
const ask = (words = 'hello') => inference.ask(question({ request: Buffer.from(words) }));

/** The nth task, from its place to its end. */
async function answered(nth: number): Promise<void> {
  const task = await broker.asked(nth);
  broker.begin(task, worker);
  const writer = worker.answer(task);
  await writer.write(Buffer.from('plain'));
  await writer.end(null);
  broker.end(task);
}

interface Loan {
  readonly task: PlayedTask;
  readonly lent: LentWriter;
  readonly writer: ReturnType<PlayedWorker['answer']>;
}

/** Three questions are asked; the slot of the fourth, which is answered, is lent. */
async function lent(): Promise<Loan> {
  await often();
  return await lending(4);
}

async function often(): Promise<void> {
  for (const nth of [1, 2, 3]) {
    const answer = ask();
    await answered(nth);
    expect(await textOf(answer.body)).toBe('plain');
    expect((await broker.asked(nth)).body.loan).toBeUndefined();
  }
}

/** Asked now, its slot is lent; it is answered. */
async function lending(nth: number): Promise<Loan> {
  const answer = ask();
  const loan = await begin(nth);
  expect(await textOf(answer.body)).toBe('first');
  return loan;
}

async function begin(nth: number): Promise<Loan> {
  const task = await broker.asked(nth);
  expect(task.envelope).toMatchObject({ loan: true, attended: true, taskClass: 'loan infer tiny' });
  expect(task.body.loan).toBe(true);
  broker.begin(task, worker);
  const writer = worker.answer(task);
  await writer.write(Buffer.from('first'));
  const given = writer.lend();
  given.done(result);
  return { task, lent: given, writer };
}

/** The slot waits for a question, which whoever asked knows. */
async function free(loan: Loan) {
  const times = seen.filter((kind) => kind === 'want').length + 1;
  const next = loan.lent.next(running);
  await told('want', times);
  return async () => {
    const asked = await next;
    if (typeof asked === 'string') throw new Error(asked);
    return { ...asked, text: Buffer.from(asked.request).toString() };
  };
}

const words = async ({ body }: Answer) => await textOf(body);

describe('who asks often', () => {
  it('is lent a slot, and asks more there: no more tasks', async () => {
    const loan = await lent();
    for (const nth of [2, 3]) {
      const coming = await free(loan);
      const answer = ask(`${nth}`);
      expect((await coming()).text).toBe(`${nth}`);
      loan.writer.head(200, 'text/plain');
      await loan.writer.write(Buffer.from(`answer ${nth}`));
      loan.lent.done({ ...result, restMs: nth });
      expect(await answer.head).toEqual({ status: 200, contentType: 'text/plain' });
      expect(await words(answer)).toBe(`answer ${nth}`);
      expect(await answer.result).toEqual({ ...result, restMs: nth });
      expect([await answer.task, answer.question]).toEqual([loan.task.task, nth]);
    }
    // Its end tells nothing new.
    const back = loan.lent.next(running);
    await told('want', 3);
    time.pass(300);
    expect(await back).toBe('back');
    broker.end(loan.task);
    expect(broker.cancelled.size).toBe(0);
    ask();
    expect((await broker.asked(5)).body.loan).toBe(true);
  });

  it('and leaves an answer has the slot again when that has said so', async () => {
    const loan = await lent();
    const coming = await free(loan);
    const leaving = new AbortController();
    const answer = inference.ask(question(), { signal: leaving.signal });
    const { left } = await coming();
    leaving.abort();
    await expect(words(answer)).rejects.toMatchObject({ failure: { code: 'cancelled.user' } });
    if (!left.aborted) await new Promise((resolve) => left.addEventListener('abort', resolve));
    await loan.writer.write(Buffer.from('nobody takes it'));
    loan.lent.done(failure('cancelled.user', 'nobody takes it'));
    const again = await free(loan);
    const other = ask('other');
    expect((await again()).text).toBe('other');
    await loan.writer.write(Buffer.from('of the other'));
    loan.lent.done(result);
    expect(await words(other)).toBe('of the other');
  });

  it('and leaves the first answer has its slot no more: what is asked next would end with its task', async () => {
    await often();
    broker.endsLate = true;
    const leaving = new AbortController();
    const answer = inference.ask(question(), { signal: leaving.signal });
    const task = await broker.asked(4);
    broker.begin(task, worker);
    const writer = worker.answer(task);
    await writer.write(Buffer.from('first'));
    await answer.head;
    leaving.abort();
    await expect(words(answer)).rejects.toMatchObject({ failure: { code: 'cancelled.user' } });
    await broker.untilCancelled(task);
    const slot = writer.lend();
    slot.done(result);
    const next = slot.next(running);
    await told('want', 1);
    const other = ask('other');
    await answered(5);
    expect(await words(other)).toBe('plain');
    expect(await next).toBe('back');
  });

  it('waits for a slot that is busy, one after the other; and at the broker when that takes too long', async () => {
    const loan = await lent();
    // More slots are asked for, and have no place yet.
    const first = await free(loan);
    const [one, two] = [ask('one'), ask('two')];
    expect((await first()).text).toBe('one');
    const pending = await broker.asked(5);
    expect(Buffer.from(pending.body.request ?? []).toString()).toBe('two');
    for (const _ of [6, 7, 8]) ask();
    const [three, four] = [ask('three'), ask('four')];
    loan.lent.done(result);
    expect((await (await free(loan))()).text).toBe('three');
    expect(await words(one)).toBe('');
    time.pass(500);
    const late = await broker.asked(9);
    expect(Buffer.from(late.body.request ?? []).toString()).toBe('four');
    expect(late.body.loan).toBeUndefined();
    loan.lent.done(result);
    expect(await words(three)).toBe('');
    await answered(9);
    expect(await words(four)).toBe('plain');
    await begin(5);
    expect(await words(two)).toBe('first');
  });

  it('is lent nothing for a while when others wait for the model', async () => {
    const loan = await lent();
    time.pass(300);
    loan.lent.over('recalled');
    await loan.writer.end(null);
    broker.end(loan.task);
    await told('over', 1);
    ask();
    expect((await broker.asked(5)).body.loan).toBeUndefined();
    time.pass(1000);
    ask();
    expect((await broker.asked(6)).body.loan).toBe(true);
  });

  it('and asks what makes no sense hears so each time', async () => {
    await lent();
    for (let times = 0; times < 9; times += 1)
      expect(() => inference.ask(question({ priority: 1000 }))).toThrow(
        expect.objectContaining({ code: 'rejected.invalid' }),
      );
  });

  it('and has a loan called back by a question of its own that was moved goes on being lent slots', async () => {
    const one = await lent();
    const coming = await free(one);
    const answer = ask('one');
    await coming();
    const other = await lending(5);
    time.pass(300);
    one.lent.over('time');
    await one.writer.end(null);
    broker.end(one.task);
    expect((await broker.asked(6)).body.loan).toBeUndefined();
    other.lent.over('recalled');
    await other.writer.end(null);
    broker.end(other.task);
    await told('over', 2);
    await answered(6);
    expect(await words(answer)).toBe('plain');
    ask();
    expect((await broker.asked(7)).body.loan).toBe(true);
  });
});

describe('a question that a slot was asked', () => {
  it('is asked anew where nothing of its answer had come, and fails where something had', async () => {
    const loan = await lent();
    const first = await free(loan);
    const answer = ask('one');
    await first();
    loan.lent.done(failure('execution.model', 'its instance is gone'));
    await answered(5);
    expect(await words(answer)).toBe('plain');
    const second = await free(loan);
    const begun = ask('two');
    await second();
    await loan.writer.write(Buffer.from('a part'));
    await begun.head;
    loan.lent.done(failure('execution.model', 'its instance is gone'));
    await expect(words(begun)).rejects.toMatchObject({ failure: { code: 'execution.model' } });
  });

  it('is asked anew when its slot is over, or its worker is lost', async () => {
    const loan = await lent();
    const crossing = await free(loan);
    const answer = ask('one');
    await crossing();
    loan.lent.over('time');
    await loan.writer.end(null);
    broker.end(loan.task);
    await answered(5);
    expect(await words(answer)).toBe('plain');
    const other = await lending(6);
    const last = await free(other);
    const lost = ask('two');
    await last();
    await worker.restart();
    await broker.untilCancelled(other.task);
    await answered(7);
    expect(await words(lost)).toBe('plain');
  });

  it('and that is moved is answered by its new task, though that ended before the broker said where it was', async () => {
    const loan = await lent();
    const crossing = await free(loan);
    const answer = ask('one');
    await crossing();
    loan.lent.over('time');
    await loan.writer.end(null);
    broker.end(loan.task);
    const task = await broker.asked(5);
    broker.accept(task);
    broker.placeSilently(task, worker);
    const writer = worker.answer(task);
    await writer.write(Buffer.from('plain'));
    await writer.end(null);
    broker.end(task);
    expect(await words(answer)).toBe('plain');
    expect([await answer.task, answer.question]).toEqual([loan.task.task, 2]);
  });

  it('is of its kind: a long one, or one with a wish of its own, is a task', async () => {
    await lent();
    inference.ask(question({ request: Buffer.alloc(70_000, ' ') }));
    inference.ask(question({ timeoutMs: 1000 }));
    inference.ask(question({ path: '/v1/completions' }));
    for (const nth of [5, 6, 7]) expect((await broker.asked(nth)).body.loan).toBeUndefined();
  });
});
