/** How long a slot is lent (E41): who asks is played, and time is the test's. */
import { limits } from '@gryphgen/protocol';
import type { LentWriter, OverReason } from '@gryphgen/runtime';
import { beforeEach, expect, it } from 'vitest';
import { PlayedTime } from '../images/played-time.fixture.ts';
import { answerLent } from './lent-slot.ts';

const { loanMs } = limits;
const first = { status: 200, firstMs: 1, restMs: 2 };
const never = new AbortController().signal;

type Next = Awaited<ReturnType<LentWriter['next']>>;

/** What the slot says to whoever asked. */
class Asker implements LentWriter {
  readonly said: string[] = [];
  ask: (next: Next) => void = () => undefined;

  done(): void {
    this.said.push('done');
  }

  next(signal: AbortSignal): Promise<Next> {
    if (signal.aborted) return Promise.resolve(signal.reason as OverReason);
    this.said.push('want');
    return new Promise((resolve) => {
      this.ask = resolve;
      signal.addEventListener('abort', () => resolve(signal.reason as OverReason), { once: true });
    });
  }

  over(why: OverReason): void {
    this.said.push(`over ${why}`);
  }

  offer(): void {
    throw new Error('a door was offered');
  }

  give(): never {
    throw new Error('it was given');
  }

  callBack(): void {
    throw new Error('it was called back');
  }
}

let time: PlayedTime;
let asker: Asker;
beforeEach(() => {
  time = new PlayedTime();
  asker = new Asker();
});

/** `answer`: to what is asked there. */
function lend(beganMono: number, answer = async () => first): ReturnType<typeof answerLent> {
  const writer = { lend: () => asker };
  const signals = { signal: never, recalled: never, offered: undefined };
  return answerLent(first, { writer, clock: time, alarms: time, beganMono, ...signals, answer });
}

it('it is lent for so long from when its slot was taken, and no longer', async () => {
  const lent = lend(time.mono());
  await time.pass(loanMs - 1);
  expect(asker.said).toEqual(['done', 'want']);
  await time.pass(1);
  expect(await lent).toMatchObject({ status: 200, questions: 1, firstMs: 1, restMs: loanMs - 1 });
  expect(asker.said).toEqual(['done', 'want', 'over time']);
});

it('the answer that is under way then is whole, and is its last', async () => {
  const lent = lend(time.mono(), async () => {
    await time.pass(2 * loanMs);
    return first;
  });
  asker.ask({ request: new Uint8Array(), left: never });
  expect(await lent).toMatchObject({ questions: 2 });
  expect(asker.said).toEqual(['done', 'want', 'done', 'over time']);
});

it('of one whose first answer took as long it is not said that it waits', async () => {
  const beganMono = time.mono();
  await time.pass(loanMs + 1);
  expect(await lend(beganMono)).toMatchObject({ questions: 1 });
  expect(asker.said).toEqual(['done', 'over time']);
});
