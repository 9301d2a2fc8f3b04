/** Sessions of commands over a real data endpoint; the commands are played. */
import { createHash } from 'node:crypto';
import { execOrderSchema, failure } from '@gryphgen/protocol';
import { beforeEach, describe, expect, it } from 'vitest';
import { curveKeyPair, Dealer, Router } from 'zeromq';
import { systemAlarms, systemClock } from './clock.ts';
import { DataServer } from './data-server.ts';
import {
  type DataRequest,
  decodeDataAnswer,
  encodeData,
  type TransferEnd,
  windowBytes,
} from './data-wire.ts';
import { type ExecSession, openExec } from './exec-client.ts';
import type { ExecOutput, ExecProcess, ExecRequest } from './exec-stream.ts';
import { type Grant, signGrant } from './grant.ts';
import { createIdentity } from './keys.ts';
import { afterTest, Seen } from './scratch.fixture.ts';

const grid = 'g-0123456789abcdef';
const broker = createIdentity();
const curve = curveKeyPair();
const order = execOrderSchema.parse({ command: ['sh'], stdin: true });

let grants = 0;
const grantFor = (changes: Partial<Grant> = {}) => {
  grants += 1;
  const expiresAt = Date.now() + 60_000;
  const about = { task: 42, attempt: 1, principal: 'p-1', expiresAt };
  return signGrant(broker, { grid, op: 'exec', id: `x${grants}`, ...about, ...changes });
};

/** Prints what it is sent, at the pace that the test lets it. */
class Echo implements ExecProcess {
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

  readonly output: AsyncIterable<ExecOutput> = {
    [Symbol.asyncIterator]: async function* (this: Echo): AsyncGenerator<ExecOutput> {
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

let server: DataServer;
let endpoint: string;
let echo: Echo;
let opened: Seen<ExecRequest>;
let aborted: Seen<string>;
let refusal: TransferEnd | undefined;

beforeEach(async () => {
  opened = new Seen();
  aborted = new Seen();
  refusal = undefined;
  server = new DataServer({
    endpoints: ['tcp://127.0.0.1:*'],
    curve,
    grid,
    brokerKey: broker.key,
    brokerWall: systemClock.wall,
    clock: systemClock,
    alarms: systemAlarms,
    open: () => failure('rejected.not-found', 'no logs here'),
    exec: async (request, signal) => {
      opened.add(request);
      if (refusal !== undefined) return refusal;
      signal.addEventListener('abort', () => aborted.add(request.id));
      echo = new Echo(signal);
      return echo;
    },
  });
  const bound = await server.start();
  endpoint = String(bound[0]);
  afterTest(() => server.stop());
});

const opening = (grant = grantFor()) => ({
  endpoint,
  dataKey: curve.publicKey,
  grant,
  task: 42,
  attempt: 1,
  order,
  alarms: systemAlarms,
});

async function begin(grant?: string): Promise<ExecSession> {
  const session = await openExec(opening(grant));
  if ('failure' in session) throw new Error(session.failure?.message);
  afterTest(() => session.close());
  return session;
}

async function collect(session: ExecSession): Promise<{ stdout: Buffer; stderr: Buffer }> {
  const found: { stdout: Uint8Array[]; stderr: Uint8Array[] } = { stdout: [], stderr: [] };
  for await (const { stream, bytes } of session.output()) found[stream].push(bytes);
  return { stdout: Buffer.concat(found.stdout), stderr: Buffer.concat(found.stderr) };
}

const sha = (bytes: Uint8Array) => createHash('sha256').update(bytes).digest('hex');

describe('a session', () => {
  it('carries every byte in both directions, and tells how the command ended', async () => {
    const bytes = Buffer.alloc(5 * windowBytes + 17);
    for (let at = 0; at < bytes.length; at += 1) bytes[at] = (at * 31 + (at >> 8)) & 0x7f;
    const session = await begin();
    const collected = collect(session);
    expect(await session.write(bytes)).toBe(true);
    session.endInput();
    const { stdout } = await collected;
    expect(sha(stdout)).toBe(sha(bytes));
    expect(await session.ended).toEqual({ failure: null, exitCode: 3 });
    expect(await session.write(bytes)).toBe(false);
    expect(opened.all).toMatchObject([{ task: 42, attempt: 1, principal: 'p-1', order }]);
  });

  it('tells stdout and stderr apart', async () => {
    const session = await begin();
    await session.write(Buffer.from('out'));
    await session.write(Buffer.from([0xee, 1]));
    session.endInput();
    const { stdout, stderr } = await collect(session);
    // Both may have come as one piece of input, which begins with `o`.
    expect(Buffer.concat([stdout, stderr])).toEqual(Buffer.from([...Buffer.from('out'), 0xee, 1]));
  });

  it('tells the size of its terminal', async () => {
    const session = await begin();
    session.resize({ columns: 132, rows: 43 });
    await echo.sizes.until((all) => all.length === 1);
    expect(echo.sizes.all).toEqual(['132x43']);
  });

  it('takes no more from who writes than the command takes, and goes on when it does', async () => {
    const session = await begin();
    let open: () => void = () => undefined;
    echo.gate = new Promise((resolve) => {
      open = resolve;
    });
    let written = false;
    const writing = session.write(Buffer.alloc(windowBytes + 1)).then(() => {
      written = true;
    });
    // A round trip behind all that could be sent.
    session.resize({ columns: 1, rows: 1 });
    await echo.sizes.until((all) => all.length === 1);
    expect(written).toBe(false);
    open();
    await writing;
    session.endInput();
    expect((await collect(session)).stdout.length).toBe(windowBytes + 1);
  });

  it('ends the input behind what is still to be sent', async () => {
    const session = await begin();
    const writing = session.write(Buffer.alloc(3 * windowBytes));
    session.endInput();
    expect((await collect(session)).stdout.length).toBe(3 * windowBytes);
    expect(await writing).toBe(true);
  });

  it('holds many small pieces that wait as a few', async () => {
    const session = await begin();
    let open: () => void = () => undefined;
    echo.gate = new Promise((resolve) => {
      open = resolve;
    });
    for (let nth = 0; nth < 1000; nth += 1) await session.write(Buffer.of(nth & 0x7f));
    session.resize({ columns: 1, rows: 1 });
    await echo.sizes.until((all) => all.length === 1);
    open();
    session.endInput();
    expect((await collect(session)).stdout.length).toBe(1000);
    expect(echo.written.length).toBeLessThanOrEqual(4);
  });

  it('ends the command when its client closes it', async () => {
    const session = await begin();
    await session.close();
    await aborted.until((all) => all.length === 1);
    expect(await session.ended).toMatchObject({ failure: { code: 'cancelled.user' } });
  });

  it('ends the command when its client’s connection is gone, long before it counts as silent', async () => {
    await (await beginRaw()).vanish();
    await aborted.until((all) => all.length === 1);
    expect(server.counters).toMatchObject({ gone: 1, silent: 0 });
  });

  it('is told when its worker stops', async () => {
    const session = await begin();
    await server.stop();
    expect(await session.ended).toEqual({
      failure: { code: 'lost.worker', message: 'its worker has been stopped' },
      exitCode: null,
    });
    expect(aborted.all).toHaveLength(1);
  });

  it('that cannot be begun says why', async () => {
    refusal = { failure: failure('rejected.limit', 'too many') };
    expect(await openExec(opening())).toMatchObject({ failure: { code: 'rejected.limit' }, exitCode: null });
    refusal = { failure: failure('execution.start', 'cannot run sh'), exitCode: 127 };
    const session = await begin();
    expect((await collect(session)).stdout.length).toBe(0);
    expect(await session.ended).toMatchObject({ failure: { code: 'execution.start' }, exitCode: 127 });
  });
});

describe('a grant', () => {
  it('is good once', async () => {
    const grant = grantFor();
    await (await begin(grant)).close();
    expect(await openExec(opening(grant))).toMatchObject({
      failure: { code: 'rejected.forbidden', message: 'this grant was used before: ask for a new one' },
    });
    expect(opened.all).toHaveLength(1);
  });

  it.each<[string, Partial<Grant>]>([
    ['to read the log', { op: 'logs' }],
    ['of another task', { task: 43 }],
    ['of another attempt', { attempt: 2 }],
    ['that has expired', { expiresAt: Date.now() - 1 }],
    ['without a name to know it by', { id: undefined }],
  ])('%s begins nothing', async (_, changes) => {
    expect(await openExec(opening(grantFor(changes)))).toMatchObject({
      failure: { code: 'rejected.forbidden' },
    });
    expect(opened.all).toEqual([]);
  });
});

/** One that speaks frames. */
async function beginRaw(stdin = true) {
  const { publicKey, secretKey } = curveKeyPair();
  const keys = { curvePublicKey: publicKey, curveSecretKey: secretKey, curveServerKey: curve.publicKey };
  const dealer = new Dealer({ linger: 0, ...keys });
  afterTest(() => dealer.close());
  dealer.connect(endpoint);
  const say = (request: DataRequest) => dealer.send(['GD/1', encodeData(request)]);
  const answer = async () => decodeDataAnswer((await dealer.receive())[1] as Buffer);
  await say({
    kind: 'exec',
    task: 42,
    attempt: 1,
    grant: grantFor(),
    credit: windowBytes,
    order: { ...order, stdin },
  });
  expect(await answer()).toEqual({ kind: 'credit', total: stdin ? windowBytes : 0 });
  return { say, answer, vanish: async () => dealer.close() };
}

describe('a hostile client', () => {
  it('that floods input without credit is given up, counted, and what follows is dropped', async () => {
    const { say, answer } = await beginRaw();
    let open: () => void = () => undefined;
    echo.gate = new Promise((resolve) => {
      open = resolve;
    });
    const bytes = Buffer.alloc(60_000);
    const frames = 200;
    for (let nth = 0; nth < frames; nth += 1) await say({ kind: 'input', bytes });
    expect(await answer()).toMatchObject({
      kind: 'end',
      failure: { code: 'rejected.limit', message: 'more input was sent than was granted' },
    });
    await say({ kind: 'cancel' });
    open();
    await aborted.until((all) => all.length === 1);
    expect(echo.written.reduce((sum, { length }) => sum + length, 0)).toBeLessThanOrEqual(windowBytes);
    const late = frames - Math.floor(windowBytes / bytes.length);
    while (server.counters.late < late) await new Promise(setImmediate);
    expect(server.counters).toMatchObject({ overrun: 1, late });
    // Another is served as ever.
    const session = await begin();
    session.endInput();
    expect(await session.ended).toEqual({ failure: null, exitCode: 3 });
  });

  it('cannot send input where none is wanted', async () => {
    const { say, answer } = await beginRaw(false);
    await say({ kind: 'input', bytes: Buffer.from('x') });
    expect(await answer()).toMatchObject({ kind: 'end', failure: { code: 'rejected.limit' } });
  });

  it('that sends nonsense in a session is counted, and the session goes on', async () => {
    const { say, answer } = await beginRaw();
    await say({ kind: 'input', bytes: 'text' } as never);
    await say({ kind: 'resize', size: { columns: -1, rows: 1e9 } });
    await say({ kind: 'inputEnd' });
    expect(await answer()).toEqual({ kind: 'end', failure: null, exitCode: 3 });
    expect(server.counters.malformed).toBe(2);
  });
});

it('a hostile worker that sends more than was granted is left', async () => {
  const router = new Router({ linger: 0, curveServer: true, curveSecretKey: curve.secretKey });
  afterTest(() => router.close());
  await router.bind('tcp://127.0.0.1:*');
  const place = { ...opening(), endpoint: router.lastEndpoint as string };
  const opening2 = openExec(place);
  const [id] = await router.receive();
  const say = (answer: Parameters<typeof encodeData>[0]) =>
    router.send([id as Buffer, 'GD/1', encodeData(answer)]);
  await say({ kind: 'credit', total: windowBytes });
  const session = await opening2;
  if ('failure' in session) throw new Error('refused');
  for (let nth = 0; nth < 40; nth += 1)
    await say({ kind: 'chunk', offset: 0, bytes: Buffer.alloc(60_000), stream: 'stdout' });
  expect(await session.ended).toMatchObject({
    failure: { code: 'lost.link', message: 'the worker sent more than it was granted' },
  });
});
