/** For tests of commands' sessions: a real data endpoint; the commands are played. */
import { execOrderSchema, failure } from '@gryphgen/protocol';
import { expect } from 'vitest';
import { curveKeyPair, Dealer } from 'zeromq';
import { systemAlarms, systemClock } from './clock.ts';
import { DataServer, type DataServerOptions } from './data-server.ts';
import {
  type DataRequest,
  decodeDataAnswer,
  encodeData,
  type TransferEnd,
  windowBytes,
} from './data-wire.ts';
import { type DuplexSession, openDuplex } from './duplex-session.ts';
import type { Duplex, DuplexOutput, ExecRequest } from './duplex-stream.ts';
import { type Grant, signGrant } from './grant.ts';
import { createIdentity } from './keys.ts';
import { afterTest, Seen } from './scratch.fixture.ts';

export const grid = 'g-0123456789abcdef';
export const worker = 'w-0123456789abcdef';
export const broker = createIdentity();
export const curve = curveKeyPair();
export const order = execOrderSchema.parse({ command: ['sh'], stdin: true });

let grants = 0;
export function grantFor(changes: Partial<Grant> = {}): string {
  grants += 1;
  const expiresAt = Date.now() + 60_000;
  const about = { task: 42, attempt: 1, principal: 'p-1', expiresAt };
  return signGrant(broker, { grid, op: 'exec', id: `x${grants}`, ...about, ...changes });
}

/** Prints what it is sent, at the pace that the test lets it. */
export class Echo implements Duplex {
  readonly written: Uint8Array[] = [];
  readonly sizes = new Seen<string>();
  readonly ended: Promise<TransferEnd>;
  /** Takes input while it is resolved. */
  gate: Promise<void> = Promise.resolve();
  exit: (end: TransferEnd) => void = () => undefined;
  private readonly pieces: Uint8Array[] = [];
  private over = false;
  private wake: () => void = () => undefined;

  constructor(signal: AbortSignal) {
    this.ended = new Promise((resolve) => {
      this.exit = (end) => {
        this.over = true;
        this.wake();
        resolve(end);
      };
    });
    signal.addEventListener('abort', () => this.exit({ failure: failure('cancelled.user', 'ended') }));
  }

  async write(bytes: Uint8Array): Promise<void> {
    await this.gate;
    this.written.push(bytes);
    this.pieces.push(bytes);
    this.wake();
  }

  endInput(): void {
    this.exit({ failure: null, exitCode: 3 });
  }

  resize({ columns, rows }: { readonly columns: number; readonly rows: number }): void {
    this.sizes.add(`${columns}x${rows}`);
  }

  readonly output: AsyncIterable<DuplexOutput> = {
    [Symbol.asyncIterator]: async function* (this: Echo): AsyncGenerator<DuplexOutput> {
      for (;;) {
        const bytes = this.pieces.shift();
        if (bytes !== undefined) yield { stream: bytes[0] === 0xee ? 'stderr' : 'stdout', bytes };
        else if (this.over) return;
        else
          await new Promise<void>((resolve) => {
            this.wake = resolve;
          });
      }
    }.bind(this),
  };
}

/** A data endpoint of `worker`, without logs. */
export function serverOf(transfers: Pick<DataServerOptions, 'exec' | 'push' | 'answers'>): DataServer {
  return new DataServer({
    endpoints: ['tcp://127.0.0.1:*'],
    curve,
    grid,
    worker,
    brokerKey: () => broker.key,
    brokerWall: systemClock.wall,
    clock: systemClock,
    alarms: systemAlarms,
    open: () => failure('rejected.not-found', 'no logs here'),
    ...transfers,
  });
}

/** A data endpoint whose commands are echoes. */
export class EchoServer {
  readonly opened = new Seen<ExecRequest>();
  readonly aborted = new Seen<string>();
  readonly server: DataServer;
  /** The latest. */
  echo: Echo = new Echo(new AbortController().signal);
  /** What is answered instead of a command that runs. */
  refusal: TransferEnd | undefined;
  private endpoint = '';

  private constructor() {
    this.server = serverOf({
      exec: async (request, signal) => {
        this.opened.add(request);
        if (this.refusal !== undefined) return this.refusal;
        signal.addEventListener('abort', () => this.aborted.add(request.id));
        this.echo = new Echo(signal);
        return this.echo;
      },
    });
  }

  static async start(): Promise<EchoServer> {
    const echoes = new EchoServer();
    [echoes.endpoint = ''] = await echoes.server.start();
    afterTest(() => echoes.server.stop());
    return echoes;
  }

  opening(grant = grantFor()) {
    const { endpoint } = this;
    const request = { kind: 'exec', task: 42, attempt: 1, grant, order } as const;
    return { endpoint, dataKey: curve.publicKey, alarms: systemAlarms, request };
  }

  async begin(grant?: string): Promise<DuplexSession> {
    const session = await openDuplex(this.opening(grant));
    if ('failure' in session) throw new Error(session.failure?.message);
    afterTest(() => session.close());
    return session;
  }

  /** A client that speaks frames. */
  async beginRaw(stdin = true) {
    const { publicKey, secretKey } = curveKeyPair();
    const keys = { curvePublicKey: publicKey, curveSecretKey: secretKey, curveServerKey: curve.publicKey };
    const dealer = new Dealer({ linger: 0, ...keys });
    afterTest(() => dealer.close());
    dealer.connect(this.endpoint);
    const say = (request: DataRequest) => dealer.send(['GD/1', encodeData(request)]);
    const answer = async () => decodeDataAnswer((await dealer.receive())[1] as Buffer);
    const what = { task: 42, attempt: 1, grant: grantFor(), credit: windowBytes };
    await say({ kind: 'exec', ...what, order: { ...order, stdin } });
    expect(await answer()).toEqual({ kind: 'credit', total: stdin ? windowBytes : 0 });
    return { say, answer, vanish: async () => dealer.close() };
  }

  /** Holds back what commands are written until the answer is called. */
  shut(): () => void {
    let open: () => void = () => undefined;
    this.echo.gate = new Promise((resolve) => {
      open = resolve;
    });
    return open;
  }
}
