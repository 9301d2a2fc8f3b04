import { describe, expect, it } from 'vitest';
import { Admission } from './admission.ts';
import { ApiError } from './api-error.ts';
import { HeldBodies } from './held-bodies.ts';

function beginAt(most: number) {
  const clock = { now: 0, mono: () => clock.now, wall: () => clock.now };
  return { clock, admission: new Admission(clock, most) };
}

function refusal(ask: () => unknown): { code: string; retryAfterS: number | undefined } {
  try {
    ask();
  } catch (error) {
    if (error instanceof ApiError)
      return { code: error.problem.code, retryAfterS: error.problem.retryAfterS };
    throw error;
  }
  throw new Error('it was admitted');
}

describe('a key', () => {
  it('leaves room for others, and has the more the fewer they are', () => {
    const { admission } = beginAt(100);
    const fill = (id: string): number => {
      for (let count = 0; ; count += 1)
        try {
          admission.enter({ id });
        } catch {
          return count;
        }
    };
    expect(fill('greedy')).toBe(80);
    expect(fill('second')).toBe(16);
    expect(fill('third')).toBe(4);
  });

  it('leaves room for the bodies of others, too, and gives back what it held', () => {
    const bodies = new HeldBodies(1000);
    const held = Array.from({ length: 10 }, () => bodies.open('greedy'));
    expect(held.map((one) => one.take(100)).filter((isTaken) => isTaken)).toHaveLength(8);
    expect(bodies.open('other').take(201)).toBe(false);
    expect(bodies.open('other').take(200)).toBe(true);
    for (const one of held) one.release();
    expect(bodies.open('greedy').take(800)).toBe(true);
  });
});

describe('who is refused is told when to ask again', () => {
  it('by how long requests of the key took, each the place behind the one before', () => {
    const { clock, admission } = beginAt(100);
    const key = { id: 'a', concurrent: 2 };
    const [first] = [admission.enter(key), admission.enter(key)];
    expect(refusal(() => admission.enter(key))).toEqual({ code: 'concurrency_limit', retryAfterS: 1 });
    clock.now += 20_000;
    first?.answered();
    first?.leave();
    admission.enter(key);
    const told = [1, 2, 3].map(() => refusal(() => admission.enter(key)).retryAfterS);
    expect(told).toEqual([10, 20, 30]);
    for (let more = 0; more < 10; more += 1) admission.enter({ id: 'b' }).leave();
    clock.now += 20_000;
    expect(refusal(() => admission.enter(key)).retryAfterS).toBe(20);
  });

  it('of a full gateway by how long all took, and never longer than a minute', () => {
    const { clock, admission } = beginAt(2);
    const [one] = [admission.enter({ id: 'a' }), admission.enter({ id: 'b' })];
    clock.now += 100_000;
    one?.answered();
    one?.leave();
    admission.enter({ id: 'c' });
    const told = [1, 2].map(() => refusal(() => admission.enter({ id: 'd' })));
    expect(told).toEqual([
      { code: 'gateway_full', retryAfterS: 50 },
      { code: 'gateway_full', retryAfterS: 60 },
    ]);
  });
});
