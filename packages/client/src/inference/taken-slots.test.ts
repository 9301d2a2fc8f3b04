/** Slots whose server is asked straight (E42): that is played at a socket, workers' data endpoints are real, the broker is played. */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { AttemptNo } from '@gryphgen/protocol';
import { isShown, type KeptDoor, offerDoor, type TakenSlot } from '@gryphgen/runtime';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { question, textOf } from '../inference.fixture.ts';
import { type Loan, LoanPlace } from './lent-slots.fixture.ts';
import type { Answer } from './open-answer.ts';

const running = new AbortController().signal;
let folder: string;
let kept: KeptDoor;
let server: Server;
let place: LoanPlace;
/** What the server was asked and has not answered, oldest first. */
let asked: { readonly text: string; readonly key: string; readonly answer: ServerResponse }[];
let wake: () => void;

beforeEach(async () => {
  folder = mkdtempSync(join(tmpdir(), 'gg-door-'));
  const apiKey = 'ab'.repeat(32);
  kept = { socketPath: join(folder, 'm-0123456789ab.sock'), apiKeyFile: join(folder, 'api-key'), apiKey };
  writeFileSync(kept.apiKeyFile, `${apiKey}\n`, { mode: 0o600 });
  [asked, wake] = [[], () => undefined];
  server = createServer((request, answer) => void take(request, answer));
  await new Promise<void>((resolve) => void server.listen(kept.socketPath, resolve));
  place = await LoanPlace.start();
});
afterEach(async () => {
  place.time.end();
  server.closeAllConnections();
  await new Promise((resolve) => server.close(resolve));
  rmSync(folder, { recursive: true });
});

async function take(request: IncomingMessage, answer: ServerResponse): Promise<void> {
  const parts: Buffer[] = [];
  for await (const part of request) parts.push(part as Buffer);
  const text = Buffer.concat(parts).toString();
  asked.push({ text, key: request.headers.authorization ?? '', answer });
  wake();
}

async function next() {
  for (;;) {
    const first = asked.shift();
    if (first !== undefined) return first;
    await new Promise<void>((resolve) => {
      wake = resolve;
    });
  }
}

const told = async (slot: TakenSlot) => {
  while (slot.told === undefined) await new Promise(setImmediate);
};
const words = async ({ body }: Answer) => await textOf(body);
const usage = '{"usage":{"prompt_tokens":3,"completion_tokens":2}}';

/** A slot that is lent, and taken as soon as its door is offered. */
async function taken(): Promise<{ readonly loan: Loan; readonly slot: TakenSlot }> {
  const loan = await place.lent();
  const { task, body } = loan.task;
  const about = { channel: body.channel ?? '', task, attempt: 1 as AttemptNo };
  loan.lent.offer(offerDoor(kept, about));
  const wish = await loan.lent.next(running);
  if (typeof wish === 'string' || !('proof' in wish)) throw new Error('it was not taken');
  expect(isShown(kept, about, wish.proof)).toBe(true);
  const slot = loan.lent.give();
  await place.told('given', 1);
  return { loan, slot };
}

describe('who has taken a slot', () => {
  it('asks its server, with its key, and tells the worker the sums', async () => {
    const { loan, slot } = await taken();
    for (const nth of [2, 3]) {
      const answer = place.ask(`${nth}`);
      const { text, key, answer: response } = await next();
      expect([text, key]).toEqual([`${nth}`, `Bearer ${kept.apiKey}`]);
      response.writeHead(200, { 'content-type': 'application/json' }).end(usage);
      expect(await answer.head).toEqual({ status: 200, contentType: 'application/json' });
      expect(await words(answer)).toBe(usage);
      expect(await answer.result).toMatchObject({ tokens: { prompt: 3, cached: 0, output: 2 } });
      expect([await answer.task, answer.question, answer.way]).toEqual([loan.task.task, nth, 'straight']);
    }
    place.time.pass(300);
    await slot.back;
    expect(slot.told).toMatchObject({ questions: 2, tokens: { prompt: 6, cached: 0, output: 4 } });
  });

  it('leaves an answer by its connection, and asks on', async () => {
    await taken();
    const leaving = new AbortController();
    const answer = place.inference.ask(question(), { signal: leaving.signal });
    const { answer: response } = await next();
    const closed = new Promise((resolve) => response.once('close', resolve));
    response.write('a part');
    await answer.head;
    leaving.abort();
    await expect(words(answer)).rejects.toMatchObject({ failure: { code: 'cancelled.user' } });
    await closed;
    const other = place.ask('other');
    (await next()).answer.end('of the other');
    expect(await words(other)).toBe('of the other');
  });

  it('has all of a long answer, which waits for who is slow', async () => {
    await taken();
    const answer = place.ask('one');
    const long = Buffer.alloc(8 * 1024 * 1024, 'x').toString();
    (await next()).answer.end(long);
    let text = '';
    for await (const bytes of answer.body) {
      text += Buffer.from(bytes).toString();
      // More comes in these turns than is taken.
      for (let turn = 0; turn < 4; turn += 1) await new Promise(setImmediate);
    }
    expect(text === long).toBe(true);
    expect(answer.way).toBe('straight');
  });

  it('finishes what is under way when it is called back, and gives it back then', async () => {
    const { loan, slot } = await taken();
    const answer = place.ask('one');
    const { answer: response } = await next();
    loan.lent.callBack('recalled');
    await place.told('over', 1);
    await told(slot);
    const word = slot.told;
    place.time.pass(2000);
    while (slot.told === word) await new Promise(setImmediate);
    response.end('whole');
    expect(await words(answer)).toBe('whole');
    await slot.back;
    expect(slot.told).toMatchObject({ questions: 1 });
  });

  it('ends what is under way when its attempt has ended, or its worker is lost', async () => {
    const { loan } = await taken();
    const begun = place.ask('one');
    const { answer: response } = await next();
    const closed = new Promise((resolve) => response.once('close', resolve));
    response.write('a part');
    await begun.head;
    loan.lent.callBack('ended');
    await expect(words(begun)).rejects.toMatchObject({ failure: { code: 'lost.worker' } });
    await closed;
  });

  it('asks anew what its server did not begin to answer, and gives the slot back', async () => {
    const { slot } = await taken();
    const answer = place.ask('one');
    (await next()).answer.destroy();
    await place.answered(5);
    expect(await words(answer)).toBe('plain');
    await slot.back;
  });

  it('asks there no more once it is revoked, and what was begun ends', async () => {
    await taken();
    const begun = place.ask('one');
    const { answer: response } = await next();
    const closed = new Promise((resolve) => response.once('close', resolve));
    response.write('a part');
    await begun.head;
    place.worker.revoke();
    await expect(words(begun)).rejects.toMatchObject({ failure: { code: 'rejected.forbidden' } });
    await closed;
    place.ask('two');
    expect((await place.broker.asked(5)).body.loan).toBe(true);
    expect(asked).toEqual([]);
  });

  it('gives it back when it asks no more at all', async () => {
    const { slot } = await taken();
    const answer = place.ask('one');
    (await next()).answer.end('whole');
    expect(await words(answer)).toBe('whole');
    const closing = place.inference.close();
    await slot.back;
    place.time.end();
    await closing;
  });

  it('has it once, whatever its worker says', async () => {
    const { loan } = await taken();
    loan.lent.give();
    await place.told('given', 2);
    loan.lent.next(running);
    await place.told('want', 2);
    const one = place.ask('one');
    place.ask('two');
    // For that one there is no slot.
    expect((await place.broker.asked(5)).body.loan).toBe(true);
    (await next()).answer.end('of one');
    expect(await words(one)).toBe('of one');
    expect(asked).toEqual([]);
  });

  it('asks anew what was not begun when its worker is lost', async () => {
    await taken();
    const answer = place.ask('one');
    const { answer: response } = await next();
    const closed = new Promise((resolve) => response.once('close', resolve));
    await place.worker.restart();
    await closed;
    await place.answered(5);
    expect(await words(answer)).toBe('plain');
  });
});

it('who cannot open its door asks the worker as before', async () => {
  const loan = await place.lent();
  const { task, body } = loan.task;
  const about = { channel: body.channel ?? '', task, attempt: 1 as AttemptNo };
  // No path of any machine: there is nothing to look at.
  loan.lent.offer({ ...offerDoor(kept, about), apiKeyFile: 'api-key' });
  const coming = await place.free(loan);
  const answer = place.ask('two');
  expect((await coming()).text).toBe('two');
  await loan.writer.write(Buffer.from('of the worker'));
  loan.lent.done({ status: 200, firstMs: 1, restMs: 2 });
  expect(await words(answer)).toBe('of the worker');
  expect(answer.way).toBe('lent');
});
