import type { PeerKey } from '@gryphgen/runtime';
import { expect, it } from 'vitest';
import { HelloTurns } from './hello-turns.ts';

const [a, b, c] = ['a', 'b', 'c'] as PeerKey[] as [PeerKey, PeerKey, PeerKey];

function rest(turns: HelloTurns<string>): (readonly [PeerKey, string])[] {
  const taken: (readonly [PeerKey, string])[] = [];
  for (let next = turns.take(); next !== undefined; next = turns.take()) taken.push([next.peer, next.frame]);
  return taken;
}

it('takes who said hello first, and of one connection the newest in the place of the older', () => {
  const turns = new HelloTurns<string>();
  for (const [peer, frame] of [
    [a, '1'],
    [b, '2'],
    [a, '3'],
  ] as const)
    turns.push(peer, frame, 10);
  expect(turns.isEmpty).toBe(false);
  expect(rest(turns)).toEqual([
    [a, '3'],
    [b, '2'],
  ]);
  expect(turns.isEmpty).toBe(true);
});

it('forgets that of a connection that is gone', () => {
  const turns = new HelloTurns<string>();
  turns.push(a, '1', 10);
  turns.push(b, '2', 10);
  turns.forget(a);
  turns.forget(c);
  expect(rest(turns)).toEqual([[b, '2']]);
});

it('says when it is full, in number and in bytes, however often one is replaced, taken or forgotten', () => {
  const turns = new HelloTurns<string>({ hellos: 3, bytes: 100 });
  expect(turns.push(a, '1', 60)).toBe(true);
  expect(turns.push(a, '2', 30)).toBe(true);
  expect(turns.push(b, '3', 60)).toBe(true);
  expect(turns.push(b, '4', 70)).toBe(false);
  turns.take();
  expect(turns.push(a, '5', 20)).toBe(true);
  expect(turns.push(c, '6', 1)).toBe(false);
  for (const peer of [a, b, c]) turns.forget(peer);
  expect(turns.push(c, '7', 99)).toBe(true);
  expect(turns.push(a, '8', 1)).toBe(false);
});
