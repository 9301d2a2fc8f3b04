/** An artifact from several places; the broker's answers are played. */
import { type AddressInfo, createServer, type Socket } from 'node:net';
import type { ArtifactGrantDocument, DataPlaceDocument } from '@gryphgen/protocol';
import { failure } from '@gryphgen/protocol';
import { describe, expect, it } from 'vitest';
import { curveKeyPair } from 'zeromq';
import { type Alarms, systemAlarms, systemClock } from '../clock.ts';
import { DataServer, type DataServerOptions } from '../data-server.ts';
import { signGrant } from '../grant.ts';
import { createIdentity } from '../keys.ts';
import { afterTest } from '../scratch.fixture.ts';
import { fetchAnywhere } from './anywhere.ts';
import { pieceBytes } from './manifest.ts';
import type { Scanned } from './scan-path.ts';
import { fetchFrom } from './serving.ts';
import { bring, mebi, noise, place, scannedFile } from './store.fixture.ts';
import type { ArtifactStore } from './store.ts';
import { UselessPlaces } from './useless-places.ts';

const grid = 'g-0123456789abcdef';
const broker = createIdentity();
const curve = curveKeyPair();

/** Waits between rounds take no time. Those for somebody to be reached end when a test says so. */
const reaching = new Set<() => void>();
const alarms: Alarms = {
  after: (ms, run) => {
    if (ms === 10_000) {
      reaching.add(run);
      return () => reaching.delete(run);
    }
    if (ms !== 1000) return systemAlarms.after(ms, run);
    const soon = setImmediate(run);
    return () => clearImmediate(soon);
  },
};

async function serve(fetch: NonNullable<DataServerOptions['fetch']>): Promise<DataPlaceDocument> {
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
    fetch,
  });
  const [endpoint = ''] = await server.start();
  afterTest(() => server.stop());
  return { endpoint, dataKey: curve.publicKey };
}

/** Each time no more than so many bytes of the chunks come. */
function breaking(store: ArtifactStore, bytes: number): NonNullable<DataServerOptions['fetch']> {
  return async (artifact, runs) => {
    const source = await fetchFrom(store)(artifact, runs);
    return runs === null || 'code' in source ? source : firstOf(source as AsyncIterable<Uint8Array>, bytes);
  };
}

async function* firstOf(source: AsyncIterable<Uint8Array>, bytes: number): AsyncGenerator<Uint8Array> {
  let left = bytes;
  for await (const part of source) {
    if (left <= 0) return;
    yield part.subarray(0, left);
    left -= part.length;
  }
}

interface Fetching {
  readonly away?: readonly string[];
  /** Another time the same machine fetches. */
  readonly useless?: UselessPlaces;
}

async function fetched(
  { manifest: { digest } }: Scanned,
  places: readonly DataPlaceDocument[],
  { away = [], ...more }: Fetching = {},
) {
  const passedOver: string[] = [];
  const into = await place().open();
  let asked = 0;
  const ask = async (): Promise<ArtifactGrantDocument> => {
    asked += 1;
    if (asked > 50) throw new Error('it is tried for ever');
    const about = { grid, op: 'fetch' as const, artifact: digest, expiresAt: Date.now() + 60_000 };
    return { grant: signGrant(broker, about), workers: places, away, broker: null };
  };
  const onPassedOver = (endpoint: string): void => void passedOver.push(endpoint);
  const options = { ask, brokerEndpoint: () => '', clock: systemClock, alarms, onPassedOver, ...more };
  const why = await fetchAnywhere(digest, into, options);
  return { why, asked, isThere: into.has(digest), passedOver };
}

/** Takes connections and never says a word; who waits for one has waited for long enough then. */
async function silentPlace(): Promise<DataPlaceDocument> {
  const held = new Set<Socket>();
  const server = createServer((socket) => {
    held.add(socket);
    for (const giveUp of reaching) giveUp();
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  afterTest(() => {
    for (const socket of held) socket.destroy();
    server.close();
  });
  const { port } = server.address() as AddressInfo;
  return { endpoint: `tcp://127.0.0.1:${port}`, dataKey: curve.publicKey };
}

describe('a link that breaks again and again', () => {
  it('is gone on with while chunks come', async () => {
    const store = await place().open();
    const what = await scannedFile(noise(8 * pieceBytes));
    await bring(store, what);
    const from = await serve(breaking(store, pieceBytes + 100));
    expect(await fetched(what, [from])).toMatchObject({ why: null, asked: 8, isThere: true });
  });

  it('is given up where no chunk ever comes to its end', async () => {
    const store = await place().open();
    const what = await scannedFile(noise(2 * pieceBytes));
    await bring(store, what);
    const from = await serve(breaking(store, mebi));
    expect(await fetched(what, [from])).toMatchObject({ why: { code: 'lost.link' }, asked: 5 });
  });

  it('is what is told, not that another place has it not', async () => {
    const [store, empty] = [await place().open(), await place().open()];
    const what = await scannedFile(noise(pieceBytes));
    await bring(store, what);
    const places = [await serve(breaking(store, mebi)), await serve(fetchFrom(empty))];
    expect(await fetched(what, places)).toMatchObject({ why: { code: 'lost.link' }, asked: 5 });
    expect(await fetched(what, places.slice(1))).toMatchObject({
      why: { code: 'rejected.not-found' },
      asked: 1,
    });
  });
});

describe('a worker that has it', () => {
  it('and cannot be reached is left for the next, and comes last from then on', async () => {
    const store = await place().open();
    const [what, next] = [await scannedFile(noise(mebi)), await scannedFile(noise(mebi, 2))];
    for (const each of [what, next]) await bring(store, each);
    const places = [await silentPlace(), await serve(fetchFrom(store))];
    const useless = new UselessPlaces(systemClock);
    const [silent] = places.map(({ endpoint }) => endpoint);
    expect(await fetched(what, places, { useless })).toMatchObject({ why: null, passedOver: [silent] });
    expect(await fetched(next, places, { useless })).toMatchObject({ why: null, passedOver: [] });
  });

  it('and lies is left for the next', async () => {
    const [store, other] = [await place().open(), await place().open()];
    const [what, another] = [await scannedFile(noise(mebi)), await scannedFile(noise(mebi, 2))];
    await bring(store, what);
    await bring(other, another);
    const lying = await serve((_, runs) => fetchFrom(other)(another.manifest.digest, runs));
    const places = [lying, await serve(fetchFrom(store))];
    expect(await fetched(what, places)).toMatchObject({ why: null, passedOver: [lying.endpoint] });
  });

  it('and is not connected is named, and it is no fault of the task', async () => {
    const what = await scannedFile(noise(mebi));
    const empty = await serve(fetchFrom(await place().open()));
    expect(await fetched(what, [empty], { away: ['forge'] })).toMatchObject({
      why: { code: 'lost.worker', message: 'forge, which has it, cannot be asked: not connected now' },
      asked: 1,
    });
  });
});
