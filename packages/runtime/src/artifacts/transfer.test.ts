/** Artifacts over a data endpoint, from end to end. */
import { readFileSync, writeFileSync } from 'node:fs';
import { failure, limits } from '@gryphgen/protocol';
import { describe, expect, it } from 'vitest';
import { curveKeyPair } from 'zeromq';
import { systemAlarms, systemClock } from '../clock.ts';
import { readData } from '../data-client.ts';
import { DataServer, type DataServerOptions } from '../data-server.ts';
import { chunkBytes, windowBytes } from '../data-wire.ts';
import { type Grant, signGrant } from '../grant.ts';
import { createIdentity } from '../keys.ts';
import { Pace } from '../pace.ts';
import { afterTest, Seen } from '../scratch.fixture.ts';
import { pieceBytes } from './manifest.ts';
import { ArtifactOwners } from './owners.ts';
import type { Scanned } from './scan-path.ts';
import { fetchFrom, storeInto } from './serving.ts';
import { bring, mebi, noise, place, scannedFile, Time } from './store.fixture.ts';
import type { ArtifactStore } from './store.ts';
import { type ArtifactTransfer, fetchArtifact, storeArtifact } from './transfer.ts';

const grid = 'g-0123456789abcdef';
const broker = createIdentity();
const curve = curveKeyPair();
let grants = 0;

async function serve(store: ArtifactStore, changes: Partial<DataServerOptions> = {}) {
  const server = new DataServer({
    endpoints: ['tcp://127.0.0.1:*'],
    curve,
    grid,
    worker: '',
    brokerKey: () => broker.key,
    brokerWall: () => Date.now(),
    clock: systemClock,
    alarms: systemAlarms,
    open: () => failure('rejected.not-found', 'no logs here'),
    fetch: fetchFrom(store),
    store: storeInto(store),
    ...changes,
  });
  const [endpoint = ''] = await server.start();
  afterTest(() => server.stop());
  const transfer = (op: Grant['op'], artifact: string, changed: Partial<Grant> = {}): ArtifactTransfer => {
    grants += 1;
    const grant = signGrant(broker, {
      ...{ grid, op, artifact, id: `a${grants}`, expiresAt: Date.now() + 60_000 },
      ...changed,
    });
    return { endpoint, dataKey: curve.publicKey, alarms: systemAlarms, grant };
  };
  const fetched = (artifact: string, into: ArtifactStore, given = transfer('fetch', artifact)) =>
    fetchArtifact(artifact, into, { ...given, clock: systemClock });
  return { server, transfer, fetched };
}

const nameOf = ({ manifest }: Scanned): string => manifest.digest;

describe('an artifact', () => {
  it('is brought, and fetched by others; what is there is not sent again', async () => {
    const store = await place().open();
    const { transfer, fetched } = await serve(store);
    const content = noise(2 * pieceBytes + 1000);
    const what = await scannedFile(content);
    const moved: number[] = [];
    const onMoved = (bytes: number): void => void moved.push(bytes);
    expect(await storeArtifact(what, { ...transfer('store', nameOf(what)), onMoved })).toBe(null);
    expect(moved.at(-1)).toBe(content.length);
    expect(await storeArtifact(what, { ...transfer('store', nameOf(what)), onMoved })).toBe(null);
    expect(store.counters).toMatchObject({ taken: 1, takenBytes: content.length });
    const other = await place().open();
    expect(await fetched(nameOf(what), other)).toBe(null);
    expect(readFileSync((await other.path(nameOf(what))) ?? '').equals(content)).toBe(true);
  });

  it('is not sent what the store has of another', async () => {
    const store = await place().open();
    const { transfer } = await serve(store);
    const first = noise(pieceBytes);
    await bring(store, await scannedFile(Buffer.concat([first])));
    const same = await scannedFile(first);
    let of = -1;
    const onMoved = (_: number, all: number): void => {
      of = all;
    };
    expect(await storeArtifact(same, { ...transfer('store', nameOf(same)), onMoved })).toBe(null);
    expect(of).toBe(-1);
  });

  it('counts for whom the grant names, also where the store has it, and is refused before it is sent', async () => {
    const [at, most] = [place(), 2 * mebi];
    const store = await at.open();
    const owners = await ArtifactOwners.open({
      ...{ folder: at.folder, store, held: () => at.held },
      mostBytes: () => most,
    });
    const { transfer } = await serve(store, { store: storeInto(store, owners) });
    const [small, large] = [await scannedFile(noise(mebi)), await scannedFile(noise(2 * mebi, 2))];
    const byWorker = { principal: 'p-worker', owner: 'p-anna' };
    for (const by of [byWorker, { principal: 'p-bert' }])
      expect(await storeArtifact(small, transfer('store', nameOf(small), by))).toBe(null);
    expect(Object.keys(owners.stored).sort()).toEqual(['p-anna', 'p-bert']);
    let moved = 0;
    const refused = await storeArtifact(large, {
      ...transfer('store', nameOf(large), byWorker),
      onMoved: (bytes) => {
        moved += bytes;
      },
    });
    expect(refused).toMatchObject({
      code: 'rejected.limit',
      message: expect.stringContaining('p-anna may keep 2 MiB'),
    });
    expect([moved, store.has(nameOf(large)), store.counters.full]).toEqual([0, false, 0]);
  });

  it('goes on where a transfer was cut', async () => {
    const store = await place().open();
    const { transfer } = await serve(store);
    const what = await scannedFile(noise(6 * pieceBytes));
    const stop = new AbortController();
    const cut = await storeArtifact(what, {
      ...transfer('store', nameOf(what)),
      signal: stop.signal,
      onMoved: (bytes) => {
        if (bytes > 4 * pieceBytes) stop.abort();
      },
    });
    expect(cut?.code).toBe('cancelled.user');
    let of = 0;
    const onMoved = (_: number, all: number): void => {
      of = all;
    };
    expect(await storeArtifact(what, { ...transfer('store', nameOf(what)), onMoved })).toBe(null);
    expect(of).toBeLessThan(5 * pieceBytes);
    expect(store.has(nameOf(what))).toBe(true);
  });

  it('a file that changed since it was looked at is refused', async () => {
    const store = await place().open();
    const { transfer } = await serve(store);
    const what = await scannedFile(noise(1000));
    for (const path of what.sources.values()) writeFileSync(path, noise(1000, 2));
    expect(await storeArtifact(what, transfer('store', nameOf(what)))).toMatchObject({
      code: 'rejected.invalid',
      message: expect.stringContaining('another sha-256'),
    });
    expect(store.counters.wrong).toBe(1);
    for (const path of what.sources.values()) writeFileSync(path, noise(10, 2));
    expect((await storeArtifact(what, transfer('store', nameOf(what))))?.code).toBe('lost.link');
  });

  it('of a peer that lies is not taken', async () => {
    const store = await place().open();
    const [asked, lie] = [await scannedFile(noise(1000)), await scannedFile(noise(1000, 2))];
    await bring(store, lie);
    const liar = await serve(store, { fetch: (_, runs) => fetchFrom(store)(nameOf(lie), runs) });
    const into = await place().open();
    expect(await liar.fetched(nameOf(asked), into)).toMatchObject({ code: 'rejected.invalid' });
    await bring(store, asked);
    const wrongBytes = await serve(store, {
      fetch: (name, runs) => fetchFrom(store)(runs === null ? name : nameOf(lie), runs),
    });
    expect(await wrongBytes.fetched(nameOf(asked), into)).toMatchObject({ code: 'rejected.invalid' });
    expect(into.counters).toMatchObject({ taken: 0, wrong: 1 });
  });

  it('of a peer whose manifest does not end is given up', async () => {
    const liar = await serve(await place().open(), { fetch: async () => endless(new Seen(), 64 * mebi) });
    expect(await liar.fetched(`sha256:${'0'.repeat(64)}`, await place().open())).toMatchObject({
      code: 'rejected.invalid',
      message: expect.stringContaining(`more than the ${limits.artifactManifestBytes} bytes`),
    });
  });

  it('is refused in words: it is not here, there is no room, the grant is for another', async () => {
    const store = await place(2 * mebi).open();
    const { transfer, fetched } = await serve(store);
    const [large, small] = [await scannedFile(noise(3 * mebi)), await scannedFile(noise(10))];
    expect(await fetched(nameOf(small), store)).toMatchObject({ code: 'rejected.not-found' });
    expect(await storeArtifact(large, transfer('store', nameOf(large)))).toMatchObject({
      code: 'rejected.limit',
      message: expect.stringContaining('room for'),
    });
    expect(await storeArtifact(small, transfer('store', nameOf(large)))).toMatchObject({
      code: 'rejected.forbidden',
    });
    expect(await storeArtifact(small, transfer('fetch', nameOf(small)))).toMatchObject({
      code: 'rejected.forbidden',
    });
    const once = transfer('store', nameOf(small));
    expect(await storeArtifact(small, once)).toBe(null);
    expect(await storeArtifact(small, once)).toMatchObject({
      message: expect.stringContaining('used before'),
    });
  });
});

describe('a peer that draws a transfer out', () => {
  it('is slow when a minute of waiting for it moved less than 64 KiB, and not before', () => {
    const time = new Time();
    const pace = new Pace(time);
    pace.waits();
    time.now += 59_000;
    pace.moved(64 * 1024);
    time.now += 59_000;
    expect(pace.isSlow).toBe(false);
    for (let second = 0; second < 2; second += 1) {
      pace.goesOn();
      pace.moved(1);
      // What we take ourselves does not count against it.
      time.now += 1_000_000;
      expect(pace.isSlow).toBe(false);
      pace.waits();
      time.now += 1000;
    }
    expect(pace.isSlow).toBe(true);
  });

  it('is given up and counted, with a word', async () => {
    let now = 0;
    let look: () => void = () => undefined;
    const alarms = {
      after: (ms: number, run: () => void) => {
        if (ms < 1000) return systemAlarms.after(ms, run);
        look = run;
        return () => undefined;
      },
    };
    const pulled = new Seen<number>();
    const store = await place().open();
    const { server, transfer } = await serve(store, {
      clock: { mono: () => now, wall: () => Date.now() },
      alarms,
      fetch: async () => endless(pulled),
    });
    const artifact = `sha256:${'0'.repeat(64)}`;
    const { grant, ...from } = transfer('fetch', artifact);
    const reading = readData(from, { kind: 'fetch', artifact, runs: null, grant });
    const first = await reading.next();
    expect(first.value).toMatchObject({ kind: 'chunk' });
    // One more than its reader has granted: now it waits for the reader.
    await pulled.until(({ length }) => length > windowBytes / chunkBytes);
    await new Promise((resolve) => setImmediate(resolve));
    now = 61_000;
    look();
    expect(server.counters.slow).toBe(1);
    let end: unknown;
    for await (const event of reading) if (event.kind === 'end') end = event.failure;
    expect(end).toMatchObject({ message: expect.stringContaining('64 KiB in 60 s') });
  });
});

async function* endless(pulled: Seen<number>, bytes = Infinity): AsyncGenerator<Uint8Array> {
  for (let nth = 1; nth * chunkBytes <= bytes; nth += 1) {
    pulled.add(nth);
    yield new Uint8Array(chunkBytes);
  }
}
