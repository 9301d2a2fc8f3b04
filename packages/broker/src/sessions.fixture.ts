/** For tests: sessions before each, on a clock and with random of the test's, and peers that say what they are told. */
import type {
  Epoch,
  HandshakeMessage,
  Message,
  PeerHello,
  PrincipalId,
  Role,
  ToBroker,
} from '@gryphgen/protocol';
import {
  type AuthorizedKey,
  createIdentity,
  type Identity,
  type PeerKey,
  principalIdOf,
  signHello,
} from '@gryphgen/runtime';
import { beforeEach } from 'vitest';
import type { SessionOutput } from './session-output.ts';
import { Sessions } from './sessions.ts';

export const grid = 'g-0123456789abcdef';
export const timers = { heartbeatMs: 2000, leaseMs: 15_000, graceMs: 5000, tickMs: 500 };
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
export const client = (id: string) => ({ kind: 'client', client: id }) as PeerHello;
export const machine: PeerHello = { kind: 'worker', boot: 'b', report, attempts: [], head: null };

export const time = { now: 0 };
let drawn = 0;
export let keys: Map<string, AuthorizedKey>;
export let sessions: Sessions;

beforeEach(() => {
  time.now = 1000;
  drawn = 0;
  keys = new Map();
  sessions = new Sessions({
    grid,
    epoch: 3 as Epoch,
    timers,
    clock: { mono: () => time.now, wall: () => 7000 },
    random: {
      bytes: (count) => Buffer.from(String(++drawn).padStart(count)),
      number: () => 0,
    },
    authorized: {
      find: (key) => keys.get(key),
      findPrincipal: (id) => [...keys.values()].find(({ key }) => principalIdOf(key) === id),
    },
  });
});

export function enrol(role: Role): Identity {
  const identity = createIdentity();
  const { key, curve } = identity;
  keys.set(key, { key, curveKey: curve.publicKey, role, name: role, addedAt: 0 });
  return identity;
}

export const peer = (name: string) => name as PeerKey;
export const frame = (session: string, ...messages: (HandshakeMessage | ToBroker)[]) =>
  ({ ok: true, session, messages, unknown: 0 }) as unknown as Parameters<Sessions['receive']>[1];
export const say = (from: string, session: string, ...messages: ToBroker[]) =>
  sessions.receive(peer(from), frame(session, ...messages));

export function nonceFor(from: string): string {
  const [output] = sessions.receive(peer(from), frame('', { kind: 'knock', versions: [1, 9] }));
  if (output?.kind !== 'reply' || output.message.kind !== 'challenge') throw new Error('no challenge');
  return output.message.nonce;
}

export function hello(
  from: string,
  who: Identity,
  role: Role,
  as: PeerHello,
  nonce = nonceFor(from),
  signer = who,
  actsFor?: PrincipalId,
) {
  const signature = signHello({ ...signer, key: who.key }, grid, nonce, role, actsFor);
  return sessions.receive(
    peer(from),
    frame('', { kind: 'hello', nonce, key: who.key, role, signature, product: '0.1.0', peer: as, actsFor }),
  );
}

export function open(from: string, who: Identity, role: Role, as: PeerHello): string {
  const opened = hello(from, who, role, as).find((output) => output.kind === 'opened');
  if (opened?.kind !== 'opened') throw new Error('not opened');
  return opened.session;
}

export const refusalIn = (outputs: readonly SessionOutput[]) =>
  outputs.flatMap((output) =>
    output.kind === 'reply' && output.message.kind === 'refusal' ? [output.message.failure.code] : [],
  );
export const repliesIn = (outputs: readonly SessionOutput[]): Message['kind'][] =>
  outputs.flatMap((output) => (output.kind === 'reply' ? [output.message.kind] : []));
export const closedIn = (outputs: readonly SessionOutput[]) =>
  outputs.flatMap((output) => (output.kind === 'closed' ? [output.session] : []));
export const request = (id: number): ToBroker => ({ kind: 'request', id, op: 'ps', args: {} });
