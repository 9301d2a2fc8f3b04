import { limits, type PeerHello, type Role } from '@gryphgen/protocol';
import { createIdentity, principalIdOf, signHello, workerIdOf } from '@gryphgen/runtime';
import { describe, expect, it } from 'vitest';
import {
  client,
  closedIn,
  enrol,
  frame,
  grid,
  hello,
  keys,
  machine,
  nonceFor,
  open,
  peer,
  refusalIn,
  repliesIn,
  request,
  say,
  sessions,
  time,
  timers,
} from './sessions.fixture.ts';

describe('a hello', () => {
  it('opens a session: welcome for the peer, who it is for the broker', () => {
    const who = enrol('submitter');
    const outputs = hello('a', who, 'submitter', client('c1'));
    expect(outputs).toMatchObject([
      {
        kind: 'reply',
        peer: 'a',
        session: '',
        message: { kind: 'welcome', epoch: 3, timers, credit: limits.creditMessages, wallMs: 7000 },
      },
      {
        kind: 'opened',
        peer: 'a',
        principal: principalIdOf(who.key),
        role: 'submitter',
        worker: null,
        hello: client('c1'),
      },
    ]);
    expect(sessions.counters.opened).toBe(1);
  });
  it('that was overtaken by one of a newer connection is refused, also when that session has ended', () => {
    const who = enrol('worker');
    const older = nonceFor('a');
    const session = open('b', who, 'worker', machine);
    expect(refusalIn(hello('a', who, 'worker', machine, older))).toEqual(['rejected.state']);
    expect(sessions.counters).toMatchObject({ overtakenHello: 1, opened: 1 });
    expect(sessions.peerOf(session as never)).toBe('b');
    const again = nonceFor('a');
    sessions.lost(peer('b'), 'gone');
    open('c', who, 'worker', machine);
    sessions.lost(peer('c'), 'gone');
    time.now += 9000;
    expect(refusalIn(hello('a', who, 'worker', machine, again))).toEqual(['rejected.state']);
    // Another peer's connections are not its.
    const other = enrol('worker');
    const nonce = nonceFor('d');
    open('e', who, 'worker', machine);
    expect(refusalIn(hello('d', other, 'worker', machine, nonce))).toEqual([]);
  });
  it('of a worker names the worker', () => {
    const who = enrol('worker');
    expect(hello('a', who, 'worker', machine)[1]).toMatchObject({
      kind: 'opened',
      worker: workerIdOf(who.key),
    });
  });
  it('is good once: said again it is refused and counted', () => {
    const who = enrol('submitter');
    const nonce = nonceFor('a');
    expect(repliesIn(hello('a', who, 'submitter', client('c'), nonce))).toEqual(['welcome']);
    expect(refusalIn(hello('b', who, 'submitter', client('c'), nonce))).toEqual(['rejected.state']);
    expect(refusalIn(hello('a', who, 'submitter', client('c'), nonce))).toEqual(['rejected.state']);
    expect(sessions.counters.replayedHello).toBe(2);
  });
  it('is good from the connection alone that was challenged', () => {
    const nonce = nonceFor('a');
    expect(refusalIn(hello('b', enrol('admin'), 'admin', client('c'), nonce))).toEqual(['rejected.state']);
  });
  it('is good for ten seconds', () => {
    const who = enrol('admin');
    const inTime = nonceFor('a');
    time.now += 10_000;
    expect(repliesIn(hello('a', who, 'admin', client('c'), inTime))).toEqual(['welcome']);
    const late = nonceFor('b');
    time.now += 10_001;
    expect(refusalIn(hello('b', who, 'admin', client('c2'), late))).toEqual(['rejected.state']);
  });
  it('must be signed by its key', () => {
    const [who, other] = [enrol('admin'), enrol('admin')];
    expect(refusalIn(hello('a', who, 'admin', client('c'), nonceFor('a'), other))).toEqual([
      'rejected.forbidden',
    ]);
    expect(sessions.counters.badSignature).toBe(1);
  });
  it('must be signed for this role', () => {
    const who = enrol('admin');
    const nonce = nonceFor('a');
    const signature = signHello(who, grid, nonce, 'viewer');
    const said = {
      kind: 'hello',
      nonce,
      key: who.key,
      role: 'admin',
      signature,
      product: '',
      peer: client('c'),
    } as const;
    expect(refusalIn(sessions.receive(peer('a'), frame('', said)))).toEqual(['rejected.forbidden']);
  });
  it('must be of an authorised key', () => {
    expect(refusalIn(hello('a', createIdentity(), 'admin', client('c')))).toEqual(['rejected.forbidden']);
    expect(sessions.counters.unknownKey).toBe(1);
  });
  it.each<[Role, Role, PeerHello, boolean]>([
    ['admin', 'admin', client('c'), true],
    ['admin', 'submitter', client('c'), true],
    ['admin', 'viewer', client('c'), true],
    ['admin', 'worker', machine, false],
    ['submitter', 'admin', client('c'), false],
    ['submitter', 'viewer', client('c'), false],
    ['viewer', 'submitter', client('c'), false],
    ['worker', 'submitter', client('c'), false],
    ['worker', 'worker', client('c'), false],
    ['submitter', 'submitter', machine, false],
  ])('of a %s as %s: %#', (authorised, role, as, welcome) => {
    expect(repliesIn(hello('a', enrol(authorised), role, as))).toEqual([welcome ? 'welcome' : 'refusal']);
    expect(sessions.counters.wrongRole).toBe(welcome ? 0 : 1);
  });
  it('of a version nobody speaks is refused at the knock', () => {
    expect(refusalIn(sessions.receive(peer('a'), frame('', { kind: 'knock', versions: [7] })))).toEqual([
      'rejected.version',
    ]);
  });
  it('that comes first wins nothing: the newest one does', () => {
    const who = enrol('worker');
    const first = open('a', who, 'worker', machine);
    const outputs = hello('b', who, 'worker', machine);
    expect(closedIn(outputs)).toEqual([first]);
    expect(outputs.map(({ kind }) => kind)).toEqual(['closed', 'reply', 'opened']);
    expect(sessions.size).toBe(1);
    expect(repliesIn(say('a', first, request(1)))).toEqual(['helloAgain']);
  });
  it('of another process of the same person takes nothing away', () => {
    const who = enrol('submitter');
    open('a', who, 'submitter', client('c1'));
    expect(closedIn(hello('b', who, 'submitter', client('c2')))).toEqual([]);
    expect(sessions.size).toBe(2);
  });
  it('that names the client id of another principal takes nothing from it, and is kept out by nobody', () => {
    const session = open('a', enrol('submitter'), 'submitter', client('c1'));
    const outputs = hello('b', enrol('submitter'), 'submitter', client('c1'));
    expect(repliesIn(outputs)).toEqual(['welcome']);
    expect(closedIn(outputs)).toEqual([]);
    expect(say('a', session, request(1))).toMatchObject([{ kind: 'messages', session }]);
    expect(sessions.size).toBe(2);
  });
  it('is refused when there are too many sessions, of its key or of all, but not from somebody who has one', () => {
    const keysNeeded = limits.sessions / limits.sessionsPerKey;
    for (let no = 0; no < keysNeeded; no++) {
      const who = enrol('submitter');
      for (let index = 0; index < limits.sessionsPerKey; index++)
        open(`p${no}.${index}`, who, 'submitter', client(`c${index}`));
      expect(refusalIn(hello('late', who, 'submitter', client('late')))).toEqual(['rejected.limit']);
      expect(repliesIn(hello(`again ${no}`, who, 'submitter', client('c7')))).toEqual(['welcome']);
    }
    expect(sessions.size).toBe(limits.sessions);
    expect(refusalIn(hello('late', enrol('admin'), 'admin', client('c')))).toEqual(['rejected.limit']);
    expect(sessions.counters.tooManySessions).toBe(keysNeeded + 1);
    // Thousands of signatures, on a busy machine.
  }, 60_000);
  it('and a knock count once in a frame: the last', () => {
    const knocks = Array.from({ length: 1000 }, () => ({ kind: 'knock', versions: [1] }) as const);
    expect(repliesIn(sessions.receive(peer('a'), frame('', ...knocks)))).toEqual(['challenge']);
  });
});

describe('a session', () => {
  it('passes its messages on', () => {
    const session = open('a', enrol('submitter'), 'submitter', client('c'));
    expect(say('a', session, request(1), { kind: 'credit', total: 5 }, request(2))).toEqual([
      { kind: 'messages', session, messages: [request(1), request(2)] },
    ]);
  });
  it('is of its connection: from another it is forged, answered and counted, and goes on', () => {
    const session = open('a', enrol('submitter'), 'submitter', client('c'));
    expect(repliesIn(say('b', session, request(1)))).toEqual(['helloAgain']);
    expect(sessions.counters.forgedSession).toBe(1);
    expect(say('a', session, request(1))).toHaveLength(1);
  });
  it('passes on the newest heartbeat of a frame alone, and everything else', () => {
    const session = open('a', enrol('submitter'), 'submitter', client('c'));
    const beat = (seq: number) => ({ kind: 'heartbeat', seq, attempts: [] }) as const;
    expect(say('a', session, beat(1), request(1), beat(2), beat(3), request(2))).toEqual([
      { kind: 'messages', session, messages: [request(1), beat(3), request(2)] },
    ]);
  });
  it('that is unknown is asked to say hello again', () => {
    expect(say('a', 'never', request(1))).toMatchObject([
      { kind: 'reply', session: '', message: { kind: 'helloAgain' } },
    ]);
    expect(sessions.counters.unknownSession).toBe(1);
  });
  it('ends when its peer knocks again or says goodbye', () => {
    const session = open('a', enrol('submitter'), 'submitter', client('c'));
    expect(closedIn(sessions.receive(peer('a'), frame('', { kind: 'knock', versions: [1] })))).toEqual([
      session,
    ]);
    const next = open('a', enrol('submitter'), 'submitter', client('c'));
    const outputs = say('a', next, request(1), { kind: 'bye' });
    expect(outputs.map(({ kind }) => kind)).toEqual(['messages', 'closed']);
    expect(sessions.size).toBe(0);
  });
  it('ends with a frame that makes no sense', () => {
    const session = open('a', enrol('submitter'), 'submitter', client('c'));
    const why = { code: 'rejected.invalid', message: 'x' } as const;
    const outputs = sessions.receive(peer('a'), { ok: false, failure: why });
    expect(refusalIn(outputs)).toEqual(['rejected.invalid']);
    expect(closedIn(outputs)).toEqual([session]);
    expect(sessions.counters.malformed).toBe(1);
  });
  it.each(['overflow', 'gone'] as const)('ends when its connection has: %s', (why) => {
    const session = open('a', enrol('submitter'), 'submitter', client('c'));
    expect(closedIn(sessions.lost(peer('a'), why))).toEqual([session]);
    expect(sessions.lost(peer('a'), why)).toEqual([]);
    expect(sessions.counters[why]).toBe(1);
  });
  it('ends with its key, at once, whatever it is doing', () => {
    const who = enrol('admin');
    const ids = [open('a', who, 'admin', client('c1')), open('b', who, 'viewer', client('c2'))];
    open('c', enrol('admin'), 'admin', client('c3'));
    keys.delete(who.key);
    const outputs = sessions.revoke(who.key);
    expect(closedIn(outputs)).toEqual(ids);
    expect(refusalIn(outputs)).toEqual(['rejected.forbidden', 'rejected.forbidden']);
    expect(refusalIn(hello('a', who, 'admin', client('c1')))).toEqual(['rejected.forbidden']);
    expect(sessions.size).toBe(1);
  });
  it('ends by the broker’s will, with its reason', () => {
    const session = open('a', enrol('admin'), 'admin', client('c'));
    const outputs = sessions.close(session as never, { code: 'rejected.state', message: 'x' });
    expect(refusalIn(outputs)).toEqual(['rejected.state']);
    expect(sessions.peerOf(session as never)).toBeUndefined();
  });
});
