/** What a session may cost: messages beyond its credit, time without a word. */
import { limits } from '@gryphgen/protocol';
import { describe, expect, it } from 'vitest';
import type { SessionOutput } from './session-output.ts';
import {
  client,
  closedIn,
  enrol,
  machine,
  open,
  peer,
  refusalIn,
  request,
  say,
  sessions,
  time,
  timers,
} from './sessions.fixture.ts';

describe('credit', () => {
  const window = limits.creditMessages;
  const many = (count: number) => Array.from({ length: count }, (_, id) => request(id));

  it('is the window at first; heartbeats cost none; one more ends the session and passes nothing', () => {
    const session = open('a', enrol('submitter'), 'submitter', client('c'));
    expect(say('a', session, ...many(window))).toHaveLength(1);
    expect(say('a', session, { kind: 'heartbeat', seq: 1, attempts: [] })).toMatchObject([
      { kind: 'messages' },
    ]);
    const outputs = say('a', session, request(1));
    expect(outputs.map(({ kind }) => kind)).toEqual(['reply', 'closed']);
    expect(refusalIn(outputs)).toEqual(['rejected.limit']);
    expect(sessions.counters.overCredit).toBe(1);
  });
  it('grows as messages are answered, by a part of the window at a time', () => {
    const session = open('a', enrol('submitter'), 'submitter', client('c')) as never;
    say('a', session, ...many(window));
    expect(sessions.answered(session, window / 4 - 1)).toEqual([]);
    expect(sessions.answered(session, 1)).toEqual([
      { kind: 'reply', peer: 'a', session, message: { kind: 'credit', total: window + window / 4 } },
    ]);
    expect(say('a', session, ...many(window / 4))).toHaveLength(1);
    expect(refusalIn(say('a', session, request(1)))).toEqual(['rejected.limit']);
  });
  it('comes back at once for kinds of a newer peer', () => {
    const session = open('a', enrol('submitter'), 'submitter', client('c'));
    for (let round = 0; round < 8; round++) {
      const outputs = sessions.receive(peer('a'), { ok: true, session, messages: [], unknown: window / 4 });
      expect(outputs).toMatchObject([{ kind: 'reply', message: { kind: 'credit' } }]);
    }
    expect(sessions.counters.unknownKinds).toBe(2 * window);
  });
  it('never exceeds what was received, however often an answer is counted', () => {
    const session = open('a', enrol('submitter'), 'submitter', client('c')) as never;
    say('a', session, request(1));
    expect(sessions.answered(session, 10 * window)).toEqual([]);
  });
});

describe('silence', () => {
  const pass = (ms: number) => {
    const outputs: SessionOutput[] = [];
    for (let passed = 0; passed < ms; passed += timers.tickMs) {
      time.now += timers.tickMs;
      outputs.push(...sessions.tick());
    }
    return outputs;
  };
  it('ends a session after lease and grace', () => {
    const session = open('a', enrol('worker'), 'worker', machine);
    expect(pass(timers.leaseMs + timers.graceMs)).toEqual([]);
    expect(closedIn(pass(timers.tickMs))).toEqual([session]);
    expect(sessions.counters.silent).toBe(1);
  });
  it('is broken by any frame', () => {
    const session = open('a', enrol('worker'), 'worker', machine);
    pass(timers.leaseMs);
    say('a', session, { kind: 'heartbeat', seq: 1, attempts: [] });
    expect(pass(timers.leaseMs)).toEqual([]);
  });
  it('does not count while the broker itself was away', () => {
    open('a', enrol('worker'), 'worker', machine);
    time.now += 3_600_000;
    expect(sessions.tick()).toEqual([]);
    expect(pass(timers.leaseMs)).toEqual([]);
  });
});
