/** What the loop does first when much waits. */
import type { Epoch, HandshakeMessage, Message, SessionId, ToBroker } from '@gryphgen/protocol';
import { type AuthorizedKey, createIdentity, type PeerKey, signHello } from '@gryphgen/runtime';
import { expect, it } from 'vitest';
import { BrokerLoop } from './broker-loop.ts';
import { emptyState } from './core/record/snapshot.ts';
import type { Journal } from './journal/journal.ts';
import type { LoopParts } from './loop-parts.ts';

const grid = 'g-0123456789abcdef';
const identity = createIdentity();
const enrolled: AuthorizedKey = {
  key: identity.key,
  curveKey: identity.curve.publicKey,
  role: 'submitter',
  name: 'p',
  addedAt: 0,
};

/** A loop in which a hello takes a millisecond, and nothing else takes any time. */
function startLoop() {
  let now = 1000;
  let drawn = 0;
  const sent: { readonly peer: string; readonly message: Message }[] = [];
  const clock = { mono: () => now, wall: () => now };
  const loop = new BrokerLoop({
    grid,
    state: emptyState(1 as Epoch),
    journal: { head: () => ({ seq: 0, digest: '' }) } as Journal,
    clock,
    alarms: { after: () => () => undefined },
    random: { bytes: (count: number) => Buffer.from(String(++drawn).padStart(count)), number: () => 0 },
    authorized: {
      find: (key: string) => (key === identity.key ? enrolled : undefined),
      findPrincipal: () => undefined,
    },
    queue: (peer: PeerKey, _session: string, message: Message) => sent.push({ peer, message }) && 'queued',
    perform: (effects, one) => effects.forEach(one),
    defer: (job) => job(),
    stepped: () => undefined,
    waits: () => undefined,
    opened: () => {
      now += 1;
    },
    seen: () => undefined,
    voucher: () => '',
  } as Partial<LoopParts> as LoopParts);
  const hear = (peer: string, session: string, message: HandshakeMessage | ToBroker) =>
    loop.receive(peer as PeerKey, { ok: true, session, messages: [message as never], unknown: 0 }, 300);
  const told = <K extends Message['kind']>(peer: string, kind: K) =>
    sent.flatMap(({ peer: to, message }) =>
      to === peer && message.kind === kind ? [message as Extract<Message, { kind: K }>] : [],
    );
  const knock = (peer: string) => {
    hear(peer, '', { kind: 'knock', versions: [1] });
    return told(peer, 'challenge').at(-1)?.nonce ?? '';
  };
  const hello = (peer: string, nonce: string, client = peer) => {
    const signature = signHello(identity, grid, nonce, 'submitter');
    hear(peer, '', {
      ...{ kind: 'hello', nonce, key: identity.key, role: 'submitter', signature, product: '0.1.0' },
      peer: { kind: 'client', client: client as never },
    });
  };
  const welcomed = () => sent.filter(({ message }) => message.kind === 'welcome').length;
  return { loop, hear, knock, hello, told, welcomed };
}

it('serves open sessions between the hellos of a flood, and welcomes all in the end', () => {
  const { loop, hear, knock, hello, told, welcomed } = startLoop();
  hello('early', knock('early'));
  loop.endTurn();
  const session = told('early', 'welcome')[0]?.session as SessionId;
  const flood = Array.from({ length: 50 }, (_, at) => `late ${at}`);
  for (const peer of flood) hello(peer, knock(peer));
  const welcomedBefore: number[] = [];
  for (let seq = 1; loop.wakes; seq += 1) {
    hear('early', session, { kind: 'heartbeat', seq, attempts: [] });
    expect(told('early', 'heartbeatAck')).toHaveLength(seq);
    welcomedBefore.push(welcomed() - 1);
    loop.endTurn();
  }
  // 4 ms of each turn are for hellos.
  expect(welcomedBefore).toEqual(Array.from({ length: 13 }, (_, turn) => 4 * turn));
  for (const peer of flood) expect(told(peer, 'welcome'), peer).toHaveLength(1);
});

it('takes up the newest hello of a connection alone, and none of one that is gone or has knocked again', () => {
  const { loop, knock, hello, told } = startLoop();
  hello('gone', knock('gone'));
  loop.lost('gone' as PeerKey, 'gone');
  hello('anew', knock('anew'));
  knock('anew');
  hello('twice', 'no nonce of ours');
  hello('twice', knock('twice'));
  loop.endTurn();
  expect(loop.wakes).toBe(false);
  expect(['gone', 'anew', 'twice'].map((peer) => told(peer, 'welcome').length)).toEqual([0, 0, 1]);
  for (const peer of ['anew', 'twice']) expect(told(peer, 'refusal'), peer).toEqual([]);
});
