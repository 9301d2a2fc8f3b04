import { type ClientId, limits, type PrincipalId, type SessionId } from '@gryphgen/protocol';
import { describe, expect, test } from 'vitest';
import { CoreFixture, sent } from './core.fixture.ts';
import type { BrokerEvent } from './events.ts';
import { step } from './step.ts';

const many = 50_000;
const window = (name: string) => `p-1 ${name}` as ClientId;

/** One client after the other: says hello, submits a task, is answered and goes; the task ends. Returns the answers. */
function burst(grid: CoreFixture, bye: boolean): Record<string, number> {
  const answers: Record<string, number> = {};
  const now = { mono: grid.mono, wall: grid.wall };
  const envelope = {
    priority: 0,
    durable: true,
    queueTimeoutMs: 0,
    resources: {},
    constraints: { labels: {} },
  };
  const spec = { envelope, envelopeHash: 'e', shapeKey: 's', bodyHash: 'b', bodyBytes: 1 };
  // Not through the fixture, which looks at every task after every step.
  const take = (event: BrokerEvent) => {
    for (const effect of step(grid.state, event, now))
      if (effect.kind === 'send') answers[effect.message.kind] = (answers[effect.message.kind] ?? 0) + 1;
  };
  for (let n = 1; n <= many; n += 1) {
    const session = `s${n}` as SessionId;
    const peer = { kind: 'client', client: `c${n}` as ClientId } as const;
    take({
      kind: 'sessionOpened',
      session,
      principal: 'p-1' as PrincipalId,
      role: 'submitter',
      worker: null,
      peer,
    });
    take({ kind: 'submit', session, seq: 1, floor: 1, key: '', spec: spec as never });
    take({ kind: 'message', session, message: { kind: 'request', id: 1, op: 'cancel', args: { task: n } } });
    take({ kind: 'sessionClosed', session, bye });
    now.mono += 20;
    if (n % 25 === 0) take({ kind: 'tick' });
  }
  return answers;
}

describe('what is kept of a client that goes', () => {
  test('nothing, of one that says goodbye: clients that submit and leave are never too many', () => {
    const grid = new CoreFixture();
    expect(burst(grid, true)).toMatchObject({ accepted: many, finished: many });
    expect(grid.state.clients.size).toBe(0);
  });

  test('its window, of one that vanishes: clients that are killed are not soon too many either', () => {
    const grid = new CoreFixture();
    expect(burst(grid, false)).toMatchObject({ accepted: many, finished: many });
    expect(grid.state.clients.size).toBe(many);
  });

  test('its window, so that a submission repeated after a lost answer makes no second task (E5)', () => {
    const grid = new CoreFixture();
    grid.submit(grid.client(), 1);
    grid.step({ kind: 'sessionClosed', session: 's1.1' as SessionId });
    grid.pass(60_000);
    const next = grid.restart(true);
    next.pass(60_000);
    expect(sent(next.submit(next.client(), 1), 'accepted')).toEqual([{ kind: 'accepted', seq: 1, task: 1 }]);
  });

  test('no window whose numbers were all answered', () => {
    const grid = new CoreFixture();
    const client = grid.client();
    grid.submit(client, 1, {}, { key: 'k' });
    const refused = grid.submit(client, 2, {}, { key: 'k', body: 'other', floor: 2 });
    expect(sent(refused, 'refused')).toHaveLength(1);
    grid.step({ kind: 'sessionClosed', session: client });
    expect(grid.state.clients.size).toBe(0);
    expect(grid.restart().state.clients.size).toBe(0);
  });

  test('its window, for a day in which the broker was watching', () => {
    const grid = new CoreFixture();
    const client = grid.client();
    grid.submit(client, 1);
    grid.step({ kind: 'sessionClosed', session: client });
    // The clock on the wall is set, or the broker sleeps: nobody's day is over by that.
    grid.wall += 2 * limits.clientWindowMs;
    grid.mono += 2 * limits.clientWindowMs;
    grid.step({ kind: 'tick' });
    expect(grid.state.clients.has(window('c1'))).toBe(true);
    grid.state.watch += limits.clientWindowMs;
    grid.step({ kind: 'tick' });
    expect(grid.state.clients.has(window('c1'))).toBe(false);
    expect(grid.restart(true).state.clients.size).toBe(0);
  });

  test('its window, for as long as it may take to come back, when there are many', () => {
    const grid = new CoreFixture();
    const [early, late] = [grid.client('admin', 'early'), grid.client('admin', 'late')];
    grid.submit(early, 1);
    grid.submit(late, 1);
    grid.step({ kind: 'sessionClosed', session: early });
    grid.state.watch += limits.clientReturnMs;
    grid.step({ kind: 'sessionClosed', session: late });
    grid.step({ kind: 'tick' });
    expect(grid.state.clients.size).toBe(2);
    for (let n = 0; n < limits.clients / 2; n += 1) {
      grid.state.clients.set(`p-2 c${n}` as ClientId, { floor: 1, tasks: new Map() });
      grid.state.away.set(`p-2 c${n}` as ClientId, grid.state.watch);
    }
    grid.step({ kind: 'tick' });
    expect(grid.state.clients.has(window('early'))).toBe(false);
    expect(grid.state.clients.has(window('late'))).toBe(true);
  });

  test('its window, while it has a session again', () => {
    const grid = new CoreFixture();
    const client = grid.client();
    grid.submit(client, 1);
    grid.step({ kind: 'sessionClosed', session: client });
    grid.client();
    grid.state.watch += 2 * limits.clientWindowMs;
    grid.step({ kind: 'tick' });
    expect(grid.state.clients.has(window('c1'))).toBe(true);
  });
});
