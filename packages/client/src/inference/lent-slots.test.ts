/** Slots that are lent (E41): workers' data endpoints are real, the broker is played, and time is the test's. */
import { failure } from '@gryphgen/protocol';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { type PlayedBroker, type PlayedWorker, question, textOf } from '../inference.fixture.ts';
import type { Inference } from '../inference.ts';
import { LoanPlace, result } from './lent-slots.fixture.ts';
import type { Answer } from './open-answer.ts';

const running = new AbortController().signal;
let place: LoanPlace;
let time: LoanPlace['time'];
let broker: PlayedBroker;
let worker: PlayedWorker;
let inference: Inference;

beforeEach(async () => {
  place = await LoanPlace.start();
  ({ time, broker, worker, inference } = place);
});
afterEach(() => time.end());

const words = async ({ body }: Answer) => await textOf(body);

describe('who asks often', () => {
  it('is lent a slot, and asks more there: no more tasks', async () => {
    const loan = await place.lent();
    for (const nth of [2, 3]) {
      const coming = await place.free(loan);
      const answer = place.ask(`${nth}`);
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
    await place.told('want', 3);
    time.pass(300);
    expect(await back).toBe('back');
    broker.end(loan.task);
    expect(broker.cancelled.size).toBe(0);
    place.ask();
    expect((await broker.asked(5)).body.loan).toBe(true);
  });

  it('has all of long answers, which wait for who is slow', async () => {
    const loan = await place.lent();
    const [piece, pieces] = [Buffer.alloc(64 * 1024, 'x'), 48];
    for (const nth of [2, 3]) {
      const coming = await place.free(loan);
      const answer = place.ask(`${nth}`);
      await coming();
      let written = 0;
      const writing = (async () => {
        loan.writer.head(200, 'application/json');
        for (; written < pieces; written += 1) await loan.writer.write(Buffer.from(piece));
        loan.lent.done(result);
      })();
      await answer.head;
      let bytes = 0;
      for await (const { length } of answer.body) {
        bytes += length;
        expect(written * piece.length - bytes).toBeLessThan(1024 * 1024);
        for (let turn = 0; turn < 4; turn += 1) await new Promise(setImmediate);
      }
      await writing;
      expect(bytes).toBe(pieces * piece.length);
      expect(answer.way).toBe('lent');
    }
  });

  it('and leaves an answer has the slot again when that has said so', async () => {
    const loan = await place.lent();
    const coming = await place.free(loan);
    const leaving = new AbortController();
    const answer = inference.ask(question(), { signal: leaving.signal });
    const { left } = await coming();
    leaving.abort();
    await expect(words(answer)).rejects.toMatchObject({ failure: { code: 'cancelled.user' } });
    if (!left.aborted) await new Promise((resolve) => left.addEventListener('abort', resolve));
    await loan.writer.write(Buffer.from('nobody takes it'));
    loan.lent.done(failure('cancelled.user', 'nobody takes it'));
    const again = await place.free(loan);
    const other = place.ask('other');
    expect((await again()).text).toBe('other');
    await loan.writer.write(Buffer.from('of the other'));
    loan.lent.done(result);
    expect(await words(other)).toBe('of the other');
  });

  it('and leaves the first answer has its slot no more: what is asked next would end with its task', async () => {
    await place.often();
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
    await place.told('want', 1);
    const other = place.ask('other');
    await place.answered(5);
    expect(await words(other)).toBe('plain');
    expect(await next).toBe('back');
  });

  it('waits for a slot that is busy, one after the other; and at the broker when that takes too long', async () => {
    const loan = await place.lent();
    // More slots are asked for, and have no place yet.
    const first = await place.free(loan);
    const [one, two] = [place.ask('one'), place.ask('two')];
    expect((await first()).text).toBe('one');
    const pending = await broker.asked(5);
    expect(Buffer.from(pending.body.request ?? []).toString()).toBe('two');
    for (const _ of [6, 7, 8]) place.ask();
    const [three, four] = [place.ask('three'), place.ask('four')];
    loan.lent.done(result);
    expect((await (await place.free(loan))()).text).toBe('three');
    expect(await words(one)).toBe('');
    time.pass(500);
    const late = await broker.asked(9);
    expect(Buffer.from(late.body.request ?? []).toString()).toBe('four');
    expect(late.body.loan).toBeUndefined();
    loan.lent.done(result);
    expect(await words(three)).toBe('');
    await place.answered(9);
    expect(await words(four)).toBe('plain');
    await place.beginLoan(5);
    expect(await words(two)).toBe('first');
  });

  it('is lent nothing for a while when others wait for the model', async () => {
    const loan = await place.lent();
    time.pass(300);
    loan.lent.over('recalled');
    await loan.writer.end(null);
    broker.end(loan.task);
    await place.told('over', 1);
    place.ask();
    expect((await broker.asked(5)).body.loan).toBeUndefined();
    time.pass(1000);
    place.ask();
    expect((await broker.asked(6)).body.loan).toBe(true);
  });

  it('and asks what makes no sense hears so each time', async () => {
    await place.lent();
    for (let times = 0; times < 9; times += 1)
      expect(() => inference.ask(question({ priority: 1000 }))).toThrow(
        expect.objectContaining({ code: 'rejected.invalid' }),
      );
  });

  it('and has a loan called back by a question of its own that was moved goes on being lent slots', async () => {
    const one = await place.lent();
    const coming = await place.free(one);
    const answer = place.ask('one');
    await coming();
    const other = await place.lending(5);
    time.pass(300);
    one.lent.over('time');
    await one.writer.end(null);
    broker.end(one.task);
    expect((await broker.asked(6)).body.loan).toBeUndefined();
    other.lent.over('recalled');
    await other.writer.end(null);
    broker.end(other.task);
    await place.told('over', 2);
    await place.answered(6);
    expect(await words(answer)).toBe('plain');
    place.ask();
    expect((await broker.asked(7)).body.loan).toBe(true);
  });
});

describe('a question that a slot was asked', () => {
  it('is asked anew where nothing of its answer had come, and fails where something had', async () => {
    const loan = await place.lent();
    const first = await place.free(loan);
    const answer = place.ask('one');
    await first();
    loan.lent.done(failure('execution.model', 'its instance is gone'));
    await place.answered(5);
    expect(await words(answer)).toBe('plain');
    const second = await place.free(loan);
    const begun = place.ask('two');
    await second();
    await loan.writer.write(Buffer.from('a part'));
    await begun.head;
    loan.lent.done(failure('execution.model', 'its instance is gone'));
    await expect(words(begun)).rejects.toMatchObject({ failure: { code: 'execution.model' } });
  });

  it('is asked anew when its slot is over, or its worker is lost', async () => {
    const loan = await place.lent();
    const crossing = await place.free(loan);
    const answer = place.ask('one');
    await crossing();
    loan.lent.over('time');
    await loan.writer.end(null);
    broker.end(loan.task);
    await place.answered(5);
    expect(await words(answer)).toBe('plain');
    const other = await place.lending(6);
    const last = await place.free(other);
    const lost = place.ask('two');
    await last();
    await worker.restart();
    await broker.untilCancelled(other.task);
    await place.answered(7);
    expect(await words(lost)).toBe('plain');
  });

  it('and that is moved is answered by its new task, though that ended before the broker said where it was', async () => {
    const loan = await place.lent();
    const crossing = await place.free(loan);
    const answer = place.ask('one');
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
    await place.lent();
    inference.ask(question({ request: Buffer.alloc(70_000, ' ') }));
    inference.ask(question({ timeoutMs: 1000 }));
    inference.ask(question({ path: '/v1/completions' }));
    for (const nth of [5, 6, 7]) expect((await broker.asked(nth)).body.loan).toBeUndefined();
  });
});
