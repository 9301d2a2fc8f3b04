/**
 * Random and mutated frames against a broker with work in flight: no crash, bounded memory, no task lost. The attackers
 * hold an admitted CURVE key (a stranger never gets as far as a frame) and speak raw ZeroMQ.
 */
import {
  type Envelope,
  encodeFrame,
  envelopeDefaults,
  type Lease,
  type ToBroker,
  wireMagic,
} from '@gryphgen/protocol';
import { createIdentity, type Identity } from '@gryphgen/runtime';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { Dealer } from 'zeromq';
import { BrokerFixture } from './broker.fixture.ts';

let grid: BrokerFixture;
const attackers: Dealer[] = [];

beforeEach(async () => {
  grid = new BrokerFixture();
  await grid.start();
});

afterEach(async () => {
  for (const attacker of attackers.splice(0)) attacker.close();
  await grid.stop();
});

function attacker(identity: Identity): Dealer {
  const dealer = new Dealer({
    linger: 0,
    curveServerKey: grid.identity.curve.publicKey,
    curvePublicKey: identity.curve.publicKey,
    curveSecretKey: identity.curve.secretKey,
  });
  dealer.connect(grid.endpoint);
  attackers.push(dealer);
  return dealer;
}

/** mulberry32: the same frames in each run. */
function seeded(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}

const none = new Uint8Array(0);
const samples: ToBroker[] = [
  { kind: 'submit', seq: 1, floor: 1, key: 'k', envelope: new Uint8Array(40), body: new Uint8Array(9) },
  { kind: 'heartbeat', seq: 1, attempts: [[1 as never, 1 as never]] },
  {
    kind: 'result',
    task: 1 as never,
    attempt: 1 as never,
    epoch: 1 as never,
    exitCode: 0,
    failure: null,
    ranMs: 1,
    outcome: none,
  },
  { kind: 'started', task: 1 as never, attempt: 1 as never, epoch: 1 as never },
  { kind: 'watch', tasks: [1 as never], progress: true },
  { kind: 'request', id: 1, op: 'removeNode', args: { node: 'anvil' } },
  { kind: 'credit', total: 9 },
  { kind: 'bye' },
];

function hostileFrame(random: () => number): Buffer {
  const kind = random();
  if (kind < 0.2)
    return Buffer.from(Array.from({ length: Math.floor(random() * 200) }, () => Math.floor(random() * 256)));
  if (kind < 0.25) return Buffer.concat([Buffer.from([0x92, 0xa0]), Buffer.alloc(100_000, 0x91)]);
  if (kind < 0.3) return Buffer.from([0x92, 0xa0, 0xdd, 0xff, 0xff, 0xff, 0xff]);
  if (kind < 0.35) return Buffer.from([0xdf, 0xff, 0xff, 0xff, 0xff, 0xa1, 0x61]);
  const sample = samples[Math.floor(random() * samples.length)] as ToBroker;
  const frame = Buffer.from(encodeFrame(random() < 0.5 ? '' : 'forged-session', [sample]));
  const flips = 1 + Math.floor(random() * 6);
  for (let n = 0; n < flips; n += 1) frame[Math.floor(random() * frame.length)] = Math.floor(random() * 256);
  return random() < 0.2 ? frame.subarray(0, Math.floor(random() * frame.length)) : frame;
}

const noop: Pick<Envelope, 'kind' | 'resources'> = {
  kind: 'noop',
  resources: { ...envelopeDefaults.resources, cpuMilli: 10 },
};

test('a storm of hostile frames crashes nothing, loses nothing and costs bounded memory', async () => {
  const leases: Lease[] = [];
  let finish = false;
  await grid.worker('anvil', (message, say) => {
    if (message.kind !== 'lease') return;
    leases.push(message);
    const { task, attempt, epoch } = message;
    const end = () =>
      say({ kind: 'result', task, attempt, epoch, exitCode: 0, failure: null, ranMs: 1, outcome: none });
    if (finish) end();
    else held.push(end);
  });
  const held: (() => void)[] = [];
  const client = await grid.client();
  const submitted = Array.from({ length: 200 }, () => client.submit({ ...noop, kind: 'noop' }));
  await Promise.all(submitted.map(({ accepted }) => accepted));
  const before = process.memoryUsage().rss;

  const random = seeded(20_261_121);
  const sockets = [attacker(grid.enrol('submitter', 'mallory')), attacker(grid.enrol('worker', 'trudy'))];
  for (let n = 0; n < 20_000; n += 1) {
    const socket = sockets[n % 2] as Dealer;
    const parts =
      random() < 0.02
        ? [Buffer.from('HTTP/1.1'), hostileFrame(random)]
        : [Buffer.from(wireMagic), hostileFrame(random)];
    if (random() < 0.01) parts.push(Buffer.from('more'));
    await socket.send(parts);
  }
  // The broker answers in order: once it answers this, it has seen what came before.
  await client.request('status', {});
  expect(grid.fatal).toEqual([]);
  expect(process.memoryUsage().rss - before).toBeLessThan(300 * 2 ** 20);

  finish = true;
  for (const end of held.splice(0)) end();
  const outcomes = await Promise.all(submitted.map(({ finished }) => finished));
  expect(outcomes.every(({ state }) => state === 'succeeded')).toBe(true);
  const status = await client.request('status', {});
  expect(status).toMatchObject({ live: 0, counters: { accepted: 200, succeeded: 200, leased: 200 } });
  expect(status.door.malformed).toBeGreaterThan(5000);
  expect(status.door.unknownSession).toBeGreaterThan(500);
  expect(status.door.foreign).toBeGreaterThan(100);
});

test('peers that flood the broker and hang up do not bring it down', async () => {
  const client = await grid.client();
  const identity = grid.enrol('submitter', 'mallory');
  for (let round = 0; round < 8; round += 1) {
    const flooders = Array.from({ length: 4 }, () => attacker(identity));
    for (const flooder of flooders) {
      for (let n = 0; n < 900; n += 1) await flooder.send([Buffer.from(wireMagic), Buffer.alloc(2000)]);
    }
    for (const flooder of flooders) flooder.close();
    // Longer than libzmq's own heartbeat would take, with the broker's loop held up: its receive queues stay full.
    const until = performance.now() + 400;
    while (performance.now() < until);
  }
  expect((await client.request('status', {})).door.malformed).toBeGreaterThan(0);
  expect(grid.fatal).toEqual([]);
});

test('an oversized frame costs its sender the connection, and nobody else anything', async () => {
  const client = await grid.client();
  const mallory = attacker(grid.enrol('submitter', 'mallory'));
  await mallory.send([Buffer.from(wireMagic), Buffer.alloc(8 * 2 ** 20, 1)]);
  const status = await client.request('status', {});
  expect(status.live).toBe(0);
  expect(grid.fatal).toEqual([]);
});

test('another admitted peer cannot use a session that is not its own', async () => {
  const client = await grid.client();
  const session = (client as unknown as { session: string }).session;
  expect(session.length).toBeGreaterThan(10);
  const mallory = attacker(grid.enrol('submitter', 'mallory'));
  const drain: ToBroker = { kind: 'request', id: 1, op: 'drain', args: { node: 'anvil', draining: true } };
  await grid.worker('anvil', () => undefined);
  await mallory.send([Buffer.from(wireMagic), encodeFrame(session, [drain])]);
  const [, answer] = (await mallory.receive()) as Buffer[];
  expect(answer?.toString('latin1')).toContain('helloAgain');
  const nodes = await client.request('nodes', {});
  expect(nodes[0]?.state).toBe('ready');
  expect((await client.request('status', {})).door.forgedSession).toBe(1);
});

test('a stranger gets no answer at all, and is counted', async () => {
  const stranger = attacker(createIdentity());
  stranger.receiveTimeout = 1000;
  await stranger.send([Buffer.from(wireMagic), encodeFrame('', [{ kind: 'knock', versions: [1] }])]);
  await expect(stranger.receive()).rejects.toThrow();
  const client = await grid.client();
  expect((await client.request('status', {})).door.refused).toBeGreaterThan(0);
});

test('what was acknowledged before the broker stopped is there when it starts again, and nothing runs twice', async () => {
  const runs = new Map<number, number>();
  const client = await grid.client();
  const waiting = Array.from({ length: 50 }, (_, n) =>
    client.submit({ ...noop, kind: 'noop' }, { key: `job-${n}` }),
  );
  const ids = await Promise.all(waiting.map(({ accepted }) => accepted));
  await grid.stopBroker();
  await grid.start();
  await grid.worker('anvil', (message, say) => {
    if (message.kind !== 'lease') return;
    const { task, attempt, epoch } = message;
    runs.set(task, (runs.get(task) ?? 0) + 1);
    say({ kind: 'result', task, attempt, epoch, exitCode: 0, failure: null, ranMs: 1, outcome: none });
  });
  await Promise.all(waiting.map(({ finished }) => finished));
  expect([...runs.keys()].sort((a, b) => a - b)).toEqual([...ids].sort((a, b) => a - b));
  expect([...runs.values()].every((count) => count === 1)).toBe(true);
  const again = client.submit({ ...noop, kind: 'noop' }, { key: 'job-7' });
  expect(await again.accepted).toBe(ids[7]);
});
