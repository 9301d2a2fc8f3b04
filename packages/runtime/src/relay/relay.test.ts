import { randomBytes } from 'node:crypto';
import { type AddressInfo, createServer, type Socket } from 'node:net';
import { failure } from '@gryphgen/protocol';
import { describe, expect, it } from 'vitest';
import { fetchAnywhere } from '../artifacts/anywhere.ts';
import { fetchFrom } from '../artifacts/serving.ts';
import { bring, mebi, noise, place, scannedFile } from '../artifacts/store.fixture.ts';
import { UselessPlaces } from '../artifacts/useless-places.ts';
import { systemAlarms, systemClock } from '../clock.ts';
import { type LogEvent, readLog } from '../data-client.ts';
import { Echo, grantFor, order, worker } from '../data-exec.fixture.ts';
import { type DuplexSession, openDuplex } from '../duplex-session.ts';
import { signGrant } from '../grant.ts';
import { createIdentity } from '../keys.ts';
import { afterTest, Seen } from '../scratch.fixture.ts';
import { RelayedGrid } from './relay.fixture.ts';

const content = randomBytes(4 * mebi);

async function* inPieces(bytes: Buffer): AsyncGenerator<Buffer> {
  for (let at = 0; at < bytes.length; at += 64 * 1024) yield bytes.subarray(at, at + 64 * 1024);
}

/** Nothing more, until the signal. */
async function* silence(signal: AbortSignal): AsyncGenerator<Buffer> {
  yield Buffer.from('begun');
  await new Promise((resolve) => signal.addEventListener('abort', resolve));
}

const logGrant = (changes = {}) => grantFor({ op: 'logs', worker, ...changes });

function reading(grid: RelayedGrid, grant = logGrant()) {
  const about = { task: 42, attempt: 1, from: 0, follow: true, grant };
  return readLog({ ...grid.place, ...about });
}

async function collect(events: AsyncGenerator<LogEvent, void>) {
  const pieces: Uint8Array[] = [];
  let end: LogEvent | undefined;
  for await (const event of events) {
    if (event.kind === 'chunk') pieces.push(event.bytes);
    else end = event;
  }
  return { bytes: Buffer.concat(pieces), end };
}

async function command(grid: RelayedGrid, grant = grantFor({ worker })): Promise<DuplexSession> {
  const request = { kind: 'exec', task: 42, attempt: 1, grant, order } as const;
  const session = await openDuplex({ ...grid.place, request });
  if ('failure' in session) throw new Error(session.failure?.message);
  afterTest(() => session.close());
  return session;
}

const wellEnded = { kind: 'end', failure: null };

describe('through the relay', () => {
  it('a log is read whole from a worker without an endpoint', async () => {
    const grid = await RelayedGrid.start({ open: () => inPieces(content) });
    const { bytes, end } = await collect(reading(grid));
    expect(bytes.equals(content)).toBe(true);
    expect(end).toMatchObject(wellEnded);
    expect(grid.beside.relay?.counters).toMatchObject({ relayed: 1, relayRefused: 0, relayFull: 0 });
  });

  it('two transfers share the connection of a worker, and who reads slowly holds up itself alone', async () => {
    const grid = await RelayedGrid.start({ open: () => inPieces(content) });
    const slow = reading(grid);
    const first = await slow.next();
    for (let times = 0; times < 3; times += 1) {
      const { bytes } = await collect(reading(grid));
      expect(bytes.equals(content)).toBe(true);
    }
    const rest = await collect(slow);
    const begun = (first.value as { readonly bytes: Uint8Array }).bytes;
    expect(Buffer.concat([begun, rest.bytes]).equals(content)).toBe(true);
  });

  it('a command has input and output, both ways as much as one takes', async () => {
    const made = new Seen<Echo>();
    const grid = await RelayedGrid.start({
      exec: async (_, signal) => {
        const echo = new Echo(signal);
        made.add(echo);
        return echo;
      },
    });
    const session = await command(grid);
    const output = (async () => {
      const pieces: Uint8Array[] = [];
      for await (const { bytes } of session.output()) pieces.push(bytes);
      return Buffer.concat(pieces);
    })();
    await session.write(content);
    session.endInput();
    expect(await session.ended).toEqual({ failure: null, exitCode: 3 });
    expect((await output).length).toBeLessThanOrEqual(content.length);
    expect(Buffer.concat(made.all[0]?.written ?? []).equals(content)).toBe(true);
  });

  it('an artifact is fetched that the store beside the broker has not', async () => {
    const store = await place().open();
    const what = await scannedFile(noise(mebi));
    await bring(store, what);
    const grid = await RelayedGrid.start({ fetch: fetchFrom(store) });
    const { digest: artifact } = what.manifest;
    const { endpoint, dataKey } = grid.place;
    const into = await place().open();
    const why = await fetchAnywhere(artifact, into, {
      ask: async () => ({
        grant: grantFor({ op: 'fetch', artifact, task: undefined, attempt: undefined }),
        ...{ workers: [], relayed: [worker], broker: { endpoints: [endpoint], dataKey } },
      }),
      brokerEndpoint: () => 'tcp://127.0.0.1:1',
      clock: systemClock,
      alarms: systemAlarms,
    });
    expect([why, into.has(artifact)]).toEqual([null, true]);
  });

  it('an asker that is gone is told to the worker, which ends what it had begun', async () => {
    const aborted = new Seen<string>();
    const grid = await RelayedGrid.start({
      open: (_, signal) => {
        signal.addEventListener('abort', () => aborted.add('log'));
        return silence(signal);
      },
    });
    const log = reading(grid);
    await log.next();
    await log.return();
    await aborted.until((all) => all.length === 1);
    const abort = new AbortController();
    const vanished = readLog({
      ...{ ...grid.place, task: 42, attempt: 1, from: 0, follow: true },
      ...{ grant: logGrant(), signal: abort.signal },
    });
    await vanished.next();
    // Without a word.
    abort.abort();
    await aborted.until((all) => all.length === 2);
    await vanished.return();
    expect(grid.data.counters.gone).toBe(1);
  });

  it('a broken connection of the worker ends its transfers, with words; it comes back by itself', async () => {
    const aborted = new Seen<string>();
    const grid = await RelayedGrid.start({
      open: (_, signal) => {
        signal.addEventListener('abort', () => aborted.add('log'));
        return silence(signal);
      },
    });
    const log = reading(grid);
    await log.next();
    grid.cut();
    expect((await log.next()).value).toMatchObject({
      kind: 'end',
      failure: { code: 'lost.worker', message: expect.stringContaining('the relay beside the broker broke') },
    });
    await aborted.until((all) => all.length === 1);
    await grid.joined(2);
    const next = reading(grid);
    expect((await next.next()).value).toMatchObject({ kind: 'chunk' });
    await next.return();
    expect(grid.asked).toBe(2);
  });
});

describe('the relay passes nothing on', () => {
  const foreign = createIdentity();
  const about = { grid: 'g-0123456789abcdef', op: 'logs', task: 42, attempt: 1, worker } as const;
  const expiresAt = Date.now() + 60_000;

  it.each([
    ['a forged grant', signGrant(foreign, { ...about, expiresAt })],
    ['a grant of another grid', logGrant({ grid: 'g-ffffffffffffffff' })],
    ['a grant for another worker', logGrant({ worker: 'w-ffffffffffffffff' })],
    ['a grant for no worker', logGrant({ worker: undefined })],
    ['a grant for something else', grantFor({ worker })],
    ['a grant for another task', logGrant({ task: 43 })],
    ['a grant that has expired', logGrant({ expiresAt: Date.now() - 1 })],
  ])('on %s', async (_, grant) => {
    const grid = await RelayedGrid.start({ open: () => inPieces(content) });
    const { bytes, end } = await collect(reading(grid, grant));
    expect(bytes.length).toBe(0);
    expect(end).toMatchObject({ kind: 'end', failure: { code: 'rejected.forbidden' } });
    expect(grid.beside.relay?.counters).toMatchObject({ relayed: 0, relayRefused: 1 });
    expect(grid.data.counters).toMatchObject({ streams: 0, refused: 0 });
  });

  it('of a principal that was revoked, from then on', async () => {
    const grid = await RelayedGrid.start({ open: (_, signal) => silence(signal) });
    const log = reading(grid, logGrant({ principal: 'p-2' }));
    await log.next();
    grid.beside.revoke(['p-2']);
    const revoked = { kind: 'end', failure: { code: 'rejected.forbidden' } };
    expect((await log.next()).value).toMatchObject(revoked);
    expect((await collect(reading(grid, logGrant({ principal: 'p-2' })))).end).toMatchObject(revoked);
  });

  it('to a worker that is not connected', async () => {
    const grid = await RelayedGrid.start({ open: () => inPieces(content) });
    const other = 'w-ffffffffffffffff';
    const events = readLog({
      ...{ ...grid.place, relayed: other, task: 42, attempt: 1, from: 0, follow: false },
      grant: logGrant({ worker: other }),
    });
    expect((await collect(events)).end).toMatchObject({ failure: { code: 'lost.worker' } });
  });

  it('to who has no grant to be a worker, or one that was used', async () => {
    const made = await RelayedGrid.start({});
    const grant = grantFor({ op: 'relay', worker });
    made.grants.push(grant, grant);
    made.cut();
    await made.joined(2);
    made.cut();
    await made.left();
    await made.without.until((all) => all.some((why) => why.includes('was used before')));
    expect(made.beside.relay?.counters).toMatchObject({ relayRefused: 1 });
    expect(made.relayed.all.at(-1)).toEqual([]);
  });
});

describe('where a worker is had in two ways', () => {
  /** Where nobody ever answers. */
  async function silentPort(wires = new Set<Socket>()): Promise<string> {
    const server = createServer((wire) => wires.add(wire.on('error', () => undefined)));
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    afterTest(() => {
      for (const wire of wires) wire.destroy();
      server.close();
    });
    return `tcp://127.0.0.1:${(server.address() as AddressInfo).port}`;
  }

  it('the relay is taken when nobody is reached straight, and at once while that is remembered', async () => {
    const grid = await RelayedGrid.start({ open: () => inPieces(content) });
    const unreached = new UselessPlaces(systemClock);
    const { endpoint, dataKey, relayed } = grid.place;
    /** All that ever came to where nobody answers. */
    const wires = new Set<Socket>();
    const place = {
      endpoint: await silentPort(wires),
      dataKey,
      orElse: [{ endpoint, dataKey, relayed }],
      unreached,
    };
    const about = { task: 42, attempt: 1, from: 0, follow: false, alarms: systemAlarms };
    const begun = performance.now();
    const tried: number[] = [];
    for (const _ of ['first', 'second']) {
      const { end } = await collect(readLog({ ...place, ...about, grant: logGrant() }));
      expect(end).toMatchObject(wellEnded);
      tried.push(wires.size);
    }
    expect(performance.now() - begun).toBeGreaterThan(2900);
    expect(tried[0]).toBeGreaterThan(0);
    expect(tried[1]).toBe(tried[0]);
  });

  it('a refusal by who is reached is the last word', async () => {
    const grid = await RelayedGrid.start({ open: () => failure('rejected.not-found', 'it is gone') });
    const { endpoint, dataKey, relayed } = grid.place;
    const place = { endpoint, dataKey, relayed, orElse: [{ endpoint: await silentPort(), dataKey }] };
    const about = { task: 42, attempt: 1, from: 0, follow: false, alarms: systemAlarms };
    const { end } = await collect(readLog({ ...place, ...about, grant: logGrant() }));
    expect(end).toEqual({ kind: 'end', failure: failure('rejected.not-found', 'it is gone') });
  });
});
