import type { Failure } from '@gryphgen/protocol';
import { expect, it } from 'vitest';
import { HeldPieces, holdBytes } from './held-pieces.ts';
import { TestTime } from './test-time.fixture.ts';

const piece = Buffer.alloc(64 * 1024);
const half = holdBytes / 2 / piece.length;

function place() {
  const time = new TestTime();
  const failed: Failure[] = [];
  let times = 0;
  const onTaken = (): void => {
    times += 1;
  };
  const held = new HeldPieces({ alarms: time, onTaken, onFailed: (why) => failed.push(why) });
  const push = (pieces: number): void => {
    for (let nth = 0; nth < pieces; nth += 1) held.push(piece);
  };
  const take = (pieces: number): void => {
    for (let nth = 0; nth < pieces; nth += 1) expect(held.take()).toBe(piece);
  };
  return { time, held, failed, push, take, times: () => times };
}

it('there is room again once enough is taken', async () => {
  const { held, push, take } = place();
  push(half);
  expect(held.room()).toBe(true);
  push(2);
  let hasRoom = false;
  const room = Promise.resolve(held.room()).then(() => {
    hasRoom = true;
  });
  take(1);
  await new Promise(setImmediate);
  expect(hasRoom).toBe(false);
  take(1);
  await room;
});

it('who waits for room goes on when no more is wanted', async () => {
  const { held, push } = place();
  push(half + 1);
  const room = held.room();
  held.end();
  await room;
  expect(held.room()).toBe(true);
});

it('each half that is taken is told, but behind the last', () => {
  const { held, push, take, times } = place();
  push(2 * half);
  take(half - 1);
  expect(times()).toBe(0);
  take(1);
  expect(times()).toBe(1);
  held.end();
  take(half);
  expect(times()).toBe(1);
});

it('more than is held is refused', () => {
  const { failed, push } = place();
  push(4 * half);
  expect(failed).toEqual([]);
  push(1);
  expect(failed).toMatchObject([{ code: 'rejected.limit' }]);
});

it('who takes some of it is waited for, who takes none is not', () => {
  const { time, failed, push, take } = place();
  push(4 * half);
  take(1);
  time.pass(60_000);
  expect(failed).toEqual([]);
  take(1);
  time.pass(60_000);
  expect(failed).toEqual([]);
  time.pass(60_000);
  expect(failed).toMatchObject([{ code: 'rejected.limit' }]);
});
