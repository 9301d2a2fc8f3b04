/** Inputs on their way to a broker's store; the broker's answers are played. */
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { PassThrough } from 'node:stream';
import type { ArtifactAsker, LocalInput } from '@gryphgen/client';
import { failure } from '@gryphgen/protocol';
import {
  ArtifactStore,
  createIdentity,
  DataServer,
  fetchFrom,
  signGrant,
  storeInto,
  systemAlarms,
  systemClock,
} from '@gryphgen/runtime';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { bringInputs, scanInputs } from './bring-inputs.ts';
import { openTerminal } from './terminal.ts';

const mebi = 1024 * 1024;
const broker = createIdentity();
const grid = 'g-0123456789abcdef';
const terminal = openTerminal(new PassThrough(), new PassThrough(), {});

let folder: string;
let now: number;
let store: ArtifactStore;
let server: DataServer;
let endpoints: readonly string[];

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'gg-bring-'));
  now = 1e12;
  store = await ArtifactStore.open({
    folder: join(folder, 'store'),
    budgetBytes: 10 * mebi,
    clock: { mono: () => now, wall: () => now },
    held: () => new Set(),
  });
  server = new DataServer({
    endpoints: [`ipc://${join(folder, 'data.sock')}`],
    curve: broker.curve,
    grid,
    worker: '',
    brokerKey: () => broker.key,
    brokerWall: () => Date.now(),
    clock: systemClock,
    alarms: systemAlarms,
    open: () => failure('rejected.not-found', 'no logs here'),
    fetch: fetchFrom(store),
    store: storeInto(store),
  });
  endpoints = await server.start();
});

afterEach(async () => {
  await server.stop();
  await rm(folder, { recursive: true, force: true });
});

/** The second is asked for long after the first. */
function slowAsker(): ArtifactAsker {
  let asked = 0;
  return {
    brokerEndpoint: 'ipc:///broker.sock',
    request: async (op: 'fetch' | 'store', { artifact }: { readonly artifact: string }) => {
      asked += 1;
      if (asked === 2) now += 600_000;
      const id = `b${asked}`;
      const grant = signGrant(broker, { grid, op, artifact, id, expiresAt: Date.now() + 60_000 });
      return { grant, workers: [], broker: { endpoints, dataKey: broker.curve.publicKey } };
    },
  };
}

async function localFile(name: string, bytes: number): Promise<LocalInput> {
  const from = join(folder, name);
  await writeFile(from, Buffer.alloc(bytes, name));
  return { from, to: `/in/${name}` };
}

it('the first is still there for a while when the last has come, however long that took', async () => {
  const inputs = [await localFile('a', 3 * mebi), await localFile('b', 3 * mebi)];
  const found = await scanInputs(terminal, inputs);
  await bringInputs(slowAsker(), terminal, inputs, found);
  now += 30_000;
  const [other] = await scanInputs(terminal, [await localFile('other', 6 * mebi)]);
  if (other === undefined) throw new Error('it was scanned');
  expect(await store.begin(other.manifest)).toMatchObject({ code: 'rejected.limit' });
  expect(found.map(({ manifest }) => store.has(manifest.digest))).toEqual([true, true]);
});
