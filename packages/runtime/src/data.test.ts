import { failure } from '@gryphgen/protocol';
import { beforeEach, describe, expect, it } from 'vitest';
import { curveKeyPair, Dealer } from 'zeromq';
import { systemAlarms, systemClock } from './clock.ts';
import { type LogEvent, type LogReading, readLog } from './data-client.ts';
import { DataServer, type DataServerOptions } from './data-server.ts';
import { chunkBytes, decodeDataAnswer, encodeData, windowBytes } from './data-wire.ts';
import { type Grant, readGrant, signGrant } from './grant.ts';
import { createIdentity } from './keys.ts';
import { afterTest, Seen } from './scratch.fixture.ts';
import type { LogRange } from './serve-transfer.ts';

const grid = 'g-0123456789abcdef';
const broker = createIdentity();
const curve = curveKeyPair();
const grantFor = (changes: Partial<Grant> = {}) =>
  signGrant(broker, {
    grid,
    op: 'logs',
    task: 42,
    attempt: 1,
    principal: 'p-1',
    expiresAt: Date.now() + 60_000,
    ...changes,
  });

let source: DataServerOptions['open'];
let opened: Seen<LogRange>;
let server: DataServer;
let endpoint: string;

beforeEach(async () => {
  opened = new Seen();
  server = new DataServer({
    endpoints: ['tcp://127.0.0.1:*'],
    curve,
    grid,
    worker: 'w-0123456789abcdef',
    brokerKey: () => broker.key,
    brokerWall: systemClock.wall,
    clock: systemClock,
    alarms: systemAlarms,
    open: (range, signal) => {
      opened.add(range);
      return source(range, signal);
    },
  });
  const bound = await server.start();
  endpoint = String(bound[0]);
  afterTest(() => server.stop());
});

const reading = (changes: Partial<LogReading> = {}): LogReading => ({
  endpoint,
  dataKey: curve.publicKey,
  grant: grantFor(),
  task: 42,
  attempt: 1,
  from: 0,
  follow: false,
  alarms: systemAlarms,
  ...changes,
});

async function collect(
  changes: Partial<LogReading> = {},
): Promise<{ bytes: Buffer; end: LogEvent | undefined }> {
  const pieces: Uint8Array[] = [];
  let end: LogEvent | undefined;
  for await (const event of readLog(reading(changes))) {
    if (event.kind === 'chunk') pieces.push(event.bytes);
    else end = event;
  }
  return { bytes: Buffer.concat(pieces), end };
}

async function* pieces(...all: Buffer[]): AsyncGenerator<Buffer> {
  yield* all;
}

describe('a transfer', () => {
  it('brings every byte, in order, in chunks', async () => {
    const text = Buffer.alloc(3 * windowBytes + 17, 'all work and no play ');
    source = () => pieces(text.subarray(0, 5), text.subarray(5));
    const { bytes, end } = await collect();
    expect(bytes.equals(text)).toBe(true);
    expect(end).toEqual({ kind: 'end', failure: null });
  });
  it('starts where it is asked to, and says where each chunk is', async () => {
    source = () => pieces(Buffer.alloc(chunkBytes + 1));
    const offsets: number[] = [];
    for await (const event of readLog(reading({ from: 7, follow: true }))) {
      if (event.kind === 'chunk') offsets.push(event.offset);
    }
    expect(offsets).toEqual([7, 7 + chunkBytes]);
    expect(opened.all).toEqual([{ task: 42, attempt: 1, from: 7, follow: true, worker: '' }]);
  });
  it('ends with the failure of its source', async () => {
    const why = failure('rejected.not-found', 'there is no such log');
    source = () => why;
    expect((await collect()).end).toEqual({ kind: 'end', failure: why });
    source = () => Promise.reject(new Error('disk on fire'));
    expect((await collect()).end).toMatchObject({
      failure: { code: 'internal.bug', message: 'reading failed: disk on fire' },
    });
  });
  it('never runs ahead of its reader, and releases the source when the reader stops', async () => {
    const yielded = new Seen<number>();
    const ended = new Seen<string>();
    source = async function* (_: LogRange, signal: AbortSignal) {
      signal.addEventListener('abort', () => ended.add('aborted'));
      try {
        for (let index = 0; ; index++) {
          yielded.add(index);
          yield Buffer.alloc(chunkBytes);
        }
      } finally {
        ended.add('returned');
      }
    } as unknown as DataServerOptions['open'];
    for await (const event of readLog(reading())) {
      expect(event.kind).toBe('chunk');
      await yielded.until((all) => all.length > windowBytes / chunkBytes);
      break;
    }
    await ended.until((all) => all.length === 2);
    expect(ended.all.sort()).toEqual(['aborted', 'returned']);
    expect(yielded.all.length).toBe(windowBytes / chunkBytes + 1);
  });
  it('ends when it is aborted', async () => {
    const abort = new AbortController();
    source = () => pieces(Buffer.from('x'));
    const events: string[] = [];
    for await (const event of readLog(reading({ signal: abort.signal }))) {
      events.push(event.kind);
      abort.abort();
    }
    expect(events).toEqual(['chunk']);
  });
});

describe('a grant', () => {
  it.each<[string, () => Partial<LogReading>]>([
    ['of another task', () => ({ task: 43 })],
    ['of another attempt', () => ({ attempt: 2 })],
    ['of another grid', () => ({ grant: grantFor({ grid: 'g-other' }) })],
    ['that has expired', () => ({ grant: grantFor({ expiresAt: Date.now() - 1 }) })],
    [
      'signed by somebody else',
      () => ({
        grant: signGrant(createIdentity(), { grid, op: 'logs', task: 42, attempt: 1, expiresAt: 9e15 }),
      }),
    ],
    ['that is none', () => ({ grant: 'x.y' })],
  ])('%s opens nothing', async (_, changes) => {
    source = () => pieces(Buffer.from('secret'));
    expect(await collect(changes())).toMatchObject({
      bytes: Buffer.of(),
      end: { failure: { code: 'rejected.forbidden' } },
    });
    expect(opened.all).toEqual([]);
    expect(server.counters.refused).toBe(1);
  });
  it('reads back as it was signed', () => {
    const grant = { grid, op: 'logs', task: 1, attempt: 2, expiresAt: 1000 } as const;
    const token = signGrant(broker, grant);
    expect(readGrant(token, broker.key)).toEqual(grant);
    expect(readGrant(`${token}.x`, broker.key)).toBeUndefined();
    expect(readGrant('x'.repeat(5000), broker.key)).toBeUndefined();
  });
});

function stranger(): Dealer {
  const { publicKey, secretKey } = curveKeyPair();
  const keys = { curvePublicKey: publicKey, curveSecretKey: secretKey, curveServerKey: curve.publicKey };
  const dealer = new Dealer({ linger: 0, ...keys });
  afterTest(() => dealer.close());
  dealer.connect(endpoint);
  return dealer;
}
const logsFrame = (grant: string) =>
  encodeData({ kind: 'logs', task: 42, attempt: 1, from: 0, follow: false, grant, credit: 0 });

it('a connection that goes on asking is refused in words, and what it asks is not looked at', async () => {
  const dealer = stranger();
  const forged = logsFrame(
    signGrant(createIdentity(), { grid, op: 'logs', task: 42, attempt: 1, expiresAt: 9e15 }),
  );
  const words: string[] = [];
  for (let nth = 0; nth < 10; nth++) {
    // The grant of the last two is good: they come too late.
    await dealer.send(['GD/1', nth < 8 ? forged : logsFrame(grantFor())]);
    const [, answer] = await dealer.receive();
    const end = decodeDataAnswer(answer as Buffer);
    if (end?.kind === 'end') words.push(end.failure?.message ?? '');
  }
  expect(words.slice(0, 8)).toEqual(Array(8).fill('this grant is not good for that log'));
  expect(words.slice(8)).toEqual(
    Array(2).fill('this connection has asked 8 times, no more are answered: open another'),
  );
});

it('takes no more than a burst before the loop has its turn', async () => {
  const dealer = stranger();
  let [most, before] = [0, 0];
  let turn = setImmediate(function look() {
    most = Math.max(most, server.counters.malformed - before);
    before = server.counters.malformed;
    turn = setImmediate(look);
  });
  afterTest(() => clearImmediate(turn));
  await dealer.send(['HTTP', 'connected']);
  while (server.counters.malformed === 0) await new Promise(setImmediate);
  for (let nth = 0; nth < 5000; nth++) await dealer.send(['HTTP', 'x']);
  while (server.counters.malformed <= 5000) await new Promise(setImmediate);
  expect(most).toBeLessThanOrEqual(256);
}, 20_000);

it('what makes no sense is counted and answered by nothing', async () => {
  const dealer = stranger();
  await dealer.send(['GD/1', Buffer.alloc(10, 0xdd)]);
  await dealer.send(['HTTP', 'x']);
  source = () => pieces(Buffer.from('x'));
  // The server takes frames of one connection in order: an answer to the third shows that two were dropped.
  await dealer.send(['GD/1', logsFrame(grantFor())]);
  await opened.until((all) => all.length === 1);
  expect(server.counters.malformed).toBe(2);
});
