/**
 * Peers of wire version 1 as 0.1.0 wrote it: what they say is taken from packages/protocol/fixtures/wire-1.json, byte for
 * byte but for what must be of this moment (nonces, signatures, names of sessions and tasks), and what they hear is read
 * as 0.1.0 read it: by the kinds, fields and positions of then, over all that came later. Nothing of today's codec is used.
 */
import { readFileSync } from 'node:fs';
import type { Identity } from '@gryphgen/runtime';
import { pack, unpack } from 'msgpackr';
import { Dealer, Router } from 'zeromq';

/** `[kind, header, body?]`: header is a map, or for what every task costs a list. */
export type Tuple = [kind: string | number, header: Header, body?: Uint8Array];
type Header = Record<string, unknown> & unknown[];

/** Of the kinds that are numbers. */
export const hot = {
  submit: 1,
  accepted: 2,
  lease: 3,
  started: 4,
  result: 5,
  resultAck: 6,
  finished: 7,
  heartbeat: 9,
  heartbeatAck: 10,
};

const magic = 'GG/1';
const captures = JSON.parse(
  readFileSync(new URL('../../packages/protocol/fixtures/wire-1.json', import.meta.url), 'utf8'),
) as readonly { direction: string; frame: string }[];
const frozen = captures.flatMap(({ direction, frame }) => {
  const [, messages] = unpack(Buffer.from(frame, 'hex')) as [string, Tuple[]];
  return messages.map((tuple) => ({ direction, tuple }));
});

/** As it was captured; of several, the one that `is` it. `edit` puts in what is of this moment. */
export function said(
  direction: 'toBroker' | 'toClient' | 'toWorker',
  kind: string | number,
  edit: (header: Header) => void = () => undefined,
  is: (header: Header) => boolean = () => true,
): Tuple {
  const found = frozen.find(
    ({ direction: way, tuple }) => way === direction && tuple[0] === kind && is(tuple[1]),
  );
  if (found === undefined) throw new Error(`${kind} ${direction} is not in the capture`);
  const copy = structuredClone(found.tuple);
  edit(copy[1]);
  return copy;
}

/** What was heard and nobody has asked for yet. */
class Heard<T extends { readonly tuple: Tuple }> {
  private readonly heard: T[] = [];
  private wake: () => void = () => undefined;

  add(entry: T): void {
    this.heard.push(entry);
    this.wake();
  }

  async next(is: (entry: T) => boolean): Promise<T> {
    for (;;) {
      const at = this.heard.findIndex(is);
      const [found] = at === -1 ? [] : this.heard.splice(at, 1);
      if (found !== undefined) return found;
      await new Promise<void>((resolve) => {
        this.wake = resolve;
      });
    }
  }
}

export class FrozenPeer {
  session = '';
  private readonly socket: Dealer;
  private readonly heard = new Heard<{ tuple: Tuple }>();

  constructor(endpoint: string, curveServerKey: string, { publicKey, secretKey }: Identity['curve']) {
    this.socket = new Dealer({
      curveServerKey,
      curvePublicKey: publicKey,
      curveSecretKey: secretKey,
      linger: 0,
    });
    this.socket.connect(endpoint);
    void this.listen();
  }

  async say(...messages: readonly Tuple[]): Promise<void> {
    await this.socket.send([magic, pack([this.session, messages])]);
  }

  async next(kind: string | number): Promise<Tuple> {
    return (await this.heard.next(({ tuple }) => tuple[0] === kind)).tuple;
  }

  close(): void {
    this.socket.close();
  }

  private async listen(): Promise<void> {
    for await (const [, batch] of this.socket) {
      const [, messages] = unpack(batch as Buffer) as [string, Tuple[]];
      for (const tuple of messages) this.heard.add({ tuple });
    }
  }
}

/** Lets in whoever knocks and says hello, however often: one that was not answered in time does so again. */
export class FrozenBroker {
  endpoint = '';
  private readonly socket: Router;
  private readonly grid: string;
  private readonly heard = new Heard<{ tuple: Tuple }>();
  /** By role: the connection of its last hello. */
  private readonly peers = new Map<string, Buffer>();

  constructor(grid: string, curveSecretKey: string) {
    this.grid = grid;
    this.socket = new Router({ curveServer: true, curveSecretKey, linger: 0, mandatory: true });
  }

  async start(): Promise<void> {
    await this.socket.bind('tcp://127.0.0.1:*');
    this.endpoint = this.socket.lastEndpoint ?? '';
    void this.listen();
  }

  /** To the peer in this role, in its session. */
  async say(role: string, ...messages: readonly Tuple[]): Promise<void> {
    const to = this.peers.get(role);
    if (to === undefined) throw new Error(`no ${role} is in session`);
    await this.socket.send([to, magic, pack([sessionOf(role), messages])]);
  }

  async next(kind: string | number, is: (header: Header) => boolean = () => true): Promise<Tuple> {
    return (await this.heard.next(({ tuple }) => tuple[0] === kind && is(tuple[1]))).tuple;
  }

  close(): void {
    this.socket.close();
  }

  private async listen(): Promise<void> {
    for await (const [from, , batch] of this.socket) {
      const [, messages] = unpack(batch as Buffer) as [string, Tuple[]];
      for (const tuple of messages) {
        if (tuple[0] === 'knock') await this.greet(from as Buffer, 'challenge', { grid: this.grid });
        if (tuple[0] === 'hello') await this.admit(from as Buffer, tuple[1].role as string);
        this.heard.add({ tuple });
      }
    }
  }

  private async admit(from: Buffer, role: string): Promise<void> {
    this.peers.set(role, from);
    await this.greet(from, 'welcome', { session: sessionOf(role) });
  }

  private async greet(to: Buffer, kind: 'challenge' | 'welcome', fields: object): Promise<void> {
    const greeting = said('toClient', kind, (header) => Object.assign(header, fields));
    try {
      await this.socket.send([to, magic, pack(['', [greeting]])]);
    } catch (error) {
      // It waited no longer, and comes again.
      if ((error as NodeJS.ErrnoException).code !== 'EHOSTUNREACH') throw error;
    }
  }
}

function sessionOf(role: string): string {
  return `s-${role}`;
}
