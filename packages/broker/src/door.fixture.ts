/** For tests: a broker's door with real sockets, and links that knock at it. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import {
  decodeFrame,
  defaultTimers,
  type Epoch,
  type Message,
  type Role,
  type SessionId,
  type ToBroker,
} from '@gryphgen/protocol';
import {
  type AuthorizedKey,
  BrokerSocket,
  createIdentity,
  type Identity,
  Link,
  systemAlarms,
  systemClock,
  systemRandom,
} from '@gryphgen/runtime';
import { afterEach, beforeEach } from 'vitest';
import type { SessionOutput } from './session-output.ts';
import { Sessions } from './sessions.ts';

const grid = 'g-0123456789abcdef';
const silentLog = { debug() {}, info() {}, warn() {}, error() {} };

/** A list that can be waited for. */
class Seen<T> {
  readonly all: T[] = [];
  private waiting: (() => void)[] = [];

  add(item: T): void {
    this.all.push(item);
    for (const wake of this.waiting.splice(0)) wake();
  }

  async until(done: (all: readonly T[]) => boolean): Promise<void> {
    while (!done(this.all)) await new Promise<void>((resolve) => this.waiting.push(resolve));
  }
}

/** The broker's shell in little: answers what a test says. */
export class Door {
  readonly seen = new Seen<SessionOutput>();
  readonly sessions: Sessions;
  readonly socket: BrokerSocket;
  /** What happens to a session's messages: by default they count as answered at once. */
  onMessages = (session: SessionId, count: number): void =>
    this.perform(this.sessions.answered(session, count));

  constructor(
    endpoints: readonly string[],
    epoch: number,
    identity: Identity,
    keys: Map<string, AuthorizedKey>,
  ) {
    const authorized = { find: (key: string) => keys.get(key), findPrincipal: () => undefined };
    this.sessions = new Sessions({
      grid,
      epoch: epoch as Epoch,
      timers: defaultTimers,
      clock: systemClock,
      random: systemRandom,
      authorized,
    });
    const admits = (curveKey: string) => [...keys.values()].some((entry) => entry.curveKey === curveKey);
    this.socket = new BrokerSocket(
      { endpoints, curve: identity.curve, admits, alarms: systemAlarms },
      {
        onFrame: (peer, frame) => this.perform(this.sessions.receive(peer, decodeFrame(frame, 'toBroker'))),
        onOverflow: (peer) => this.perform(this.sessions.lost(peer, 'overflow')),
        onGone: (peer) => this.perform(this.sessions.lost(peer, 'gone')),
        onBroken: (error) => {
          throw error;
        },
      },
    );
  }

  say(session: SessionId, message: Message): void {
    const peer = this.sessions.peerOf(session);
    if (peer) this.socket.queue(peer, session, message);
  }

  perform(outputs: readonly SessionOutput[]): void {
    for (const output of outputs) {
      if (output.kind === 'reply') this.socket.queue(output.peer, output.session, output.message);
      if (output.kind === 'messages') this.onMessages(output.session, output.messages.length);
      this.seen.add(output);
    }
  }

  messages(): ToBroker[] {
    return this.seen.all.flatMap((output) => (output.kind === 'messages' ? output.messages : []));
  }

  opened(): SessionId[] {
    return this.seen.all.flatMap((output) => (output.kind === 'opened' ? [output.session] : []));
  }
}

const undos: (() => unknown)[] = [];
export const afterTest = (undo: () => unknown): void => void undos.push(undo);
afterEach(async () => {
  for (const undo of undos.splice(0).reverse()) await undo();
});

export let identity: Identity;
export let keys: Map<string, AuthorizedKey>;
let folder: string;

beforeEach(() => {
  identity = createIdentity();
  keys = new Map();
  folder = mkdtempSync(join(tmpdir(), 'gg-'));
  afterTest(() => rmSync(folder, { recursive: true, force: true }));
});

export async function openDoor(
  epoch = 1,
  endpoint = `ipc://${folder}/broker`,
): Promise<{ door: Door; endpoint: string }> {
  const door = new Door([endpoint], epoch, identity, keys);
  const [bound] = await door.socket.start();
  afterTest(() => door.socket.stop());
  return { door, endpoint: String(bound) };
}

export function enrol(role: Role, who = createIdentity()): Identity {
  const { key, curve } = who;
  keys.set(key, { key, curveKey: curve.publicKey, role, name: role, addedAt: 0 });
  return who;
}

export function linkTo(
  endpoint: string,
  who: Identity,
  role: Role = 'submitter',
  curveKey = identity.curve.publicKey,
) {
  const seen = new Seen<string>();
  const messages = new Seen<Message>();
  const link = new Link<'toClient'>(
    {
      brokers: [{ endpoint, curveKey }],
      grid,
      identity: who,
      role,
      direction: 'toClient',
      clock: systemClock,
      alarms: systemAlarms,
      random: systemRandom,
      log: silentLog,
    },
    {
      hello: () => ({ kind: 'client', client: `c-${who.key.slice(0, 8)}` as never }),
      onOpen: (welcome) => seen.add(`open ${welcome.epoch}`),
      onMessage: (message) => messages.add(message),
      onClosed: (reason) => seen.add(`closed: ${reason}`),
      onRefused: (why) => seen.add(`refused: ${why.code}`),
    },
  );
  afterTest(() => link.stop());
  link.start();
  return { link, seen, messages };
}

export const request = (id: number): ToBroker => ({ kind: 'request', id, op: 'ps', args: {} });
export const accepted = (seq: number) => ({ kind: 'accepted', seq, task: seq }) as Message;
