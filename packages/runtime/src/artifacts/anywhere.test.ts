/** An artifact from several places; the broker's answers are played. */
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

const grid = 'g-0123456789abcdef';
const broker = createIdentity();
const curve = curveKeyPair();

/** Waits between rounds take no time. */
const alarms: Alarms = {
  after: (ms, run) => {
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

async function fetched({ manifest: { digest } }: Scanned, places: readonly DataPlaceDocument[]) {
  const into = await place().open();
  let asked = 0;
  const ask = async (): Promise<ArtifactGrantDocument> => {
    asked += 1;
    if (asked > 50) throw new Error('it is tried for ever');
    const about = { grid, op: 'fetch' as const, artifact: digest, expiresAt: Date.now() + 60_000 };
    return { grant: signGrant(broker, about), workers: places, broker: null };
  };
  const options = { ask, brokerEndpoint: () => '', clock: systemClock, alarms };
  const why = await fetchAnywhere(digest, into, options);
  return { why, asked, isThere: into.has(digest) };
}

describe('a link that breaks again and again', () => {
  it('is gone on with while chunks come', async () => {
    const store = await place().open();
    const what = await scannedFile(noise(8 * pieceBytes));
    await bring(store, what);
    const from = await serve(breaking(store, pieceBytes + 100));
    expect(await fetched(what, [from])).toEqual({ why: null, asked: 8, isThere: true });
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
