import type { SessionId } from '@gryphgen/protocol';
import { expect, it } from 'vitest';
import { type RequestMessage, RequestTurns } from './request-turns.ts';

const request = (id: number): RequestMessage => ({ kind: 'request', id, op: 'ps', args: {} });
const [a, b] = ['a', 'b'] as SessionId[] as [SessionId, SessionId];

it('takes each session’s in order, and the sessions in turn', () => {
  const turns = new RequestTurns();
  for (const id of [1, 2, 3]) turns.push(a, request(id));
  turns.push(b, request(10));
  const taken: unknown[] = [];
  for (let next = turns.take(); next !== undefined; next = turns.take())
    taken.push([next.session, next.message.id]);
  expect(taken).toEqual([
    [a, 1],
    [b, 10],
    [a, 2],
    [a, 3],
  ]);
  expect(turns.isEmpty).toBe(true);
});

it('forgets those of a session that is gone', () => {
  const turns = new RequestTurns();
  turns.push(a, request(1));
  turns.push(b, request(2));
  turns.forget(a);
  expect(turns.take()?.session).toBe(b);
  expect(turns.take()).toBe(undefined);
});
