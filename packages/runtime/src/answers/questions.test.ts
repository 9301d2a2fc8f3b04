/** Questions that no task's body holds, from who asks to the attempt that wants them, from end to end (E33). */
import { type AttemptNo, type Failure, limits, type TaskId } from '@gryphgen/protocol';
import { beforeEach, describe, expect, it } from 'vitest';
import { systemAlarms } from '../clock.ts';
import { broker, curve, grid, serverOf, worker } from '../data-exec.fixture.ts';
import { signGrant } from '../grant.ts';
import { afterTest, Seen } from '../scratch.fixture.ts';
import type { AnswerWriter } from './answer-channel.ts';
import { AnswerChannels } from './answer-channels.ts';
import type { AnswerRecord } from './answer-records.ts';
import type { QuestionOutlet } from './question-outlet.ts';
import { readAnswers } from './read-answers.ts';

const channel = 'q'.repeat(22);
const fenceOf = (task: number) => ({ task: task as TaskId, attempt: 1 as AttemptNo });
const never = new AbortController().signal;
const longOf = (bytes: number) => Buffer.alloc(bytes, 'What is a heartbeat? ');

let channels: AnswerChannels;
let endpoint: string;
beforeEach(async () => {
  channels = new AnswerChannels({ alarms: systemAlarms });
  const server = serverOf({ answers: channels.serve });
  [endpoint = ''] = await server.start();
  afterTest(async () => {
    await server.stop();
    channels.close();
  });
});

/** Answers each want with what `questions` has for its task. */
class Asker {
  readonly wanted = new Seen<AnswerRecord>();
  readonly over: Promise<Failure>;
  readonly open: Promise<QuestionOutlet>;
  private readonly stop = new AbortController();

  constructor(questions: Readonly<Record<number, Uint8Array>> = {}) {
    const expiresAt = Date.now() + 60_000;
    const grant = signGrant(broker, { grid, op: 'answers', id: 'a', worker, principal: 'p-1', expiresAt });
    let tellOpen: (outlet: QuestionOutlet) => void = () => undefined;
    this.open = new Promise((resolve) => {
      tellOpen = resolve;
    });
    this.over = readAnswers({
      ...{ endpoint, dataKey: curve.publicKey, alarms: systemAlarms, grant, channel },
      signal: this.stop.signal,
      onOpen: tellOpen,
      onRecord: (record) => {
        if (record.kind !== 'want') return;
        this.wanted.add(record);
        const question = questions[record.task];
        if (question) void this.open.then((outlet) => outlet.send(record, question, never));
      },
    });
    afterTest(() => this.stop.abort());
  }

  hangUp(): void {
    this.stop.abort();
  }
}

function attempt(task: number): AnswerWriter {
  return channels.open(channel, 'p-1', fenceOf(task));
}

describe('a long question', () => {
  it('comes when its attempt wants it, beside others', async () => {
    const questions = { 1: longOf(3_000_000), 2: longOf(10), 3: longOf(1_000_001) };
    const asker = new Asker(questions);
    await asker.open;
    const found = await Promise.all(
      [1, 2, 3].map((task) => attempt(task).question(questions[task as 1].length, never)),
    );
    for (const task of [1, 2, 3] as const)
      expect(Buffer.compare(found[task - 1] as Buffer, questions[task])).toBe(0);
  });

  it('may be wanted before who asks is connected', async () => {
    const coming = attempt(1).question(5, never);
    const asker = new Asker({ 1: Buffer.from('hello') });
    expect(Buffer.from((await coming) as Uint8Array).toString()).toBe('hello');
    asker.hangUp();
  });

  it('of another length than its task says is refused', async () => {
    const asker = new Asker({ 1: longOf(10), 2: longOf(12) });
    await asker.open;
    for (const task of [1, 2])
      expect(await attempt(task).question(11, never)).toMatchObject({ code: 'rejected.invalid' });
  });

  it('is waited for no longer when its attempt is to end, or who asks is gone', async () => {
    const asker = new Asker();
    const [first, second] = [attempt(1), attempt(2)];
    const ending = new AbortController();
    const stopped = first.question(5, ending.signal);
    const left = second.question(5, never);
    await asker.wanted.until((all) => all.length === 2);
    ending.abort();
    expect(await stopped).toMatchObject({ code: 'cancelled.user' });
    asker.hangUp();
    expect(await left).toMatchObject({ code: 'lost.link' });
    await Promise.all([first.end(null), second.end(null)]);
  });

  it('finds no room beside so many others, and room when one of them has been answered', async () => {
    const asker = new Asker();
    await asker.open;
    const ending = new AbortController();
    const held = Array.from({ length: 16 }, (_, nth) =>
      attempt(nth + 1).question(limits.questionBytes, ending.signal),
    );
    await asker.wanted.until((all) => all.length === 16);
    expect(await attempt(17).question(1, never)).toMatchObject({ code: 'rejected.limit' });
    ending.abort();
    await Promise.all(held);
    const next = attempt(18).question(5, never);
    await asker.wanted.until((all) => all.some(({ task }) => task === 18));
    void (await asker.open).send(fenceOf(18), Buffer.from('hello'), never);
    expect(Buffer.from((await next) as Uint8Array).toString()).toBe('hello');
  });

  it('that nobody wants is dropped, and what is no question ends the connection', async () => {
    const asker = new Asker();
    const outlet = await asker.open;
    expect(await outlet.send(fenceOf(7), longOf(100_000), never)).toBe(true);
    const coming = attempt(1).question(5, never);
    await asker.wanted.until((all) => all.length === 1);
    expect(await outlet.send(fenceOf(1), Buffer.from('hello'), never)).toBe(true);
    expect(await coming).toHaveLength(5);
    // Its attempt makes it no record.
    void outlet.send({ task: 0 as TaskId, attempt: 0 as AttemptNo }, Buffer.from('x'), never);
    expect(await asker.over).toMatchObject({ code: 'rejected.invalid' });
    expect(await outlet.send(fenceOf(8), Buffer.from('x'), never)).toBe(false);
  });
});
