import {
  type Epoch,
  type HandshakeMessage,
  limits,
  type Message,
  type PeerHello,
  type Role,
  type ToBroker,
} from '@gryphgen/protocol';
import {
  type AuthorizedKey,
  createIdentity,
  type Identity,
  type PeerKey,
  principalIdOf,
  signHello,
  workerIdOf,
} from '@gryphgen/runtime';
import { beforeEach, describe, expect, it } from 'vitest';
import type { SessionOutput } from './session-output.ts';
import { Sessions } from './sessions.ts';

const grid = 'g-0123456789abcdef';
const timers = { heartbeatMs: 2000, leaseMs: 15_000, graceMs: 5000, tickMs: 500 };
const report = {
  name: 'forge',
  capabilities: ['noop'],
  labels: {},
  cpuMilli: 1000,
  memoryBytes: 0,
  diskBytes: 0,
  devices: [],
  images: [],
  slots: 4,
  speed: 1,
  dataEndpoint: '',
  dataKey: '',
  version: '0.1.0',
};
const client = (id: string) => ({ kind: 'client', client: id }) as PeerHello;
const machine: PeerHello = { kind: 'worker', boot: 'b', report, attempts: [], head: null };

let now = 0;
let drawn = 0;
let keys: Map<string, AuthorizedKey>;
let sessions: Sessions;

beforeEach(() => {
  now = 1000;
  drawn = 0;
  keys = new Map();
  sessions = new Sessions({
    grid,
    epoch: 3 as Epoch,
    timers,
    clock: { mono: () => now, wall: () => 0 },
    random: {
      bytes: (count) => Buffer.from(String(++drawn).padStart(count)),
      number: () => 0,
    },
    authorized: { find: (key) => keys.get(key) },
  });
});

function enrol(role: Role): Identity {
  const identity = createIdentity();
  const { key, curve } = identity;
  keys.set(key, { key, curveKey: curve.publicKey, role, name: role, addedAt: 0 });
  return identity;
}

const peer = (name: string) => name as PeerKey;
const frame = (session: string, ...messages: (HandshakeMessage | ToBroker)[]) =>
  ({ ok: true, session, messages, unknown: 0 }) as unknown as Parameters<Sessions['receive']>[1];
const say = (from: string, session: string, ...messages: ToBroker[]) =>
  sessions.receive(peer(from), frame(session, ...messages));

function nonceFor(from: string): string {
  const [output] = sessions.receive(peer(from), frame('', { kind: 'knock', versions: [1, 9] }));
  if (output?.kind !== 'reply' || output.message.kind !== 'challenge') throw new Error('no challenge');
  return output.message.nonce;
}

function hello(from: string, who: Identity, role: Role, as: PeerHello, nonce = nonceFor(from), signer = who) {
  const signature = signHello({ ...signer, key: who.key }, grid, nonce, role);
  return sessions.receive(
    peer(from),
    frame('', { kind: 'hello', nonce, key: who.key, role, signature, product: '0.1.0', peer: as }),
  );
}

function open(from: string, who: Identity, role: Role, as: PeerHello): string {
  const opened = hello(from, who, role, as).find((output) => output.kind === 'opened');
  if (opened?.kind !== 'opened') throw new Error('not opened');
  return opened.session;
}

const refusalIn = (outputs: readonly SessionOutput[]) =>
  outputs.flatMap((output) =>
    output.kind === 'reply' && output.message.kind === 'refusal' ? [output.message.failure.code] : [],
  );
const repliesIn = (outputs: readonly SessionOutput[]): Message['kind'][] =>
  outputs.flatMap((output) => (output.kind === 'reply' ? [output.message.kind] : []));
const closedIn = (outputs: readonly SessionOutput[]) =>
  outputs.flatMap((output) => (output.kind === 'closed' ? [output.session] : []));
const request = (id: number): ToBroker => ({ kind: 'request', id, op: 'ps', args: {} });

describe('a hello', () => {
  it('opens a session: welcome for the peer, who it is for the broker', () => {
    const who = enrol('submitter');
    const outputs = hello('a', who, 'submitter', client('c1'));
    expect(outputs).toMatchObject([
      {
        kind: 'reply',
        peer: 'a',
        session: '',
        message: { kind: 'welcome', epoch: 3, timers, credit: limits.creditMessages },
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
    now += 10_000;
    expect(repliesIn(hello('a', who, 'admin', client('c'), inTime))).toEqual(['welcome']);
    const late = nonceFor('b');
    now += 10_001;
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
  it('may not take over the client id of another principal', () => {
    open('a', enrol('submitter'), 'submitter', client('c1'));
    expect(refusalIn(hello('b', enrol('submitter'), 'submitter', client('c1')))).toEqual([
      'rejected.forbidden',
    ]);
    expect(sessions.counters.clientTaken).toBe(1);
    expect(sessions.size).toBe(1);
  });
  it('is refused when there are too many sessions, but not from somebody who has one', () => {
    const who = enrol('submitter');
    for (let index = 0; index < limits.sessions; index++)
      open(`p${index}`, who, 'submitter', client(`c${index}`));
    expect(refusalIn(hello('late', who, 'submitter', client('late')))).toEqual(['rejected.limit']);
    expect(repliesIn(hello('again', who, 'submitter', client('c7')))).toEqual(['welcome']);
    expect(sessions.size).toBe(limits.sessions);
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
      now += timers.tickMs;
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
    now += 3_600_000;
    expect(sessions.tick()).toEqual([]);
    expect(pass(timers.leaseMs)).toEqual([]);
  });
});
