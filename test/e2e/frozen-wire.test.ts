/**
 * Mixed versions: today's broker with a worker and a client of 0.1.0, and today's worker and client with a broker of
 * 0.1.0. A task goes all its way in each.
 */
import { Client } from '@gryphgen/client';
import {
  createIdentity,
  gridIdOf,
  type Identity,
  signHello,
  systemAlarms,
  systemClock,
  systemRandom,
} from '@gryphgen/runtime';
import { createWorker } from '@gryphgen/worker';
import { pack, unpack } from 'msgpackr';
import { afterEach, expect, it } from 'vitest';
import { BrokerFixture, silentLog } from './broker.fixture.ts';
import { FrozenBroker, FrozenPeer, hot, said } from './frozen-wire.fixture.ts';

const undo: (() => unknown)[] = [];
afterEach(async () => {
  for (const each of undo.splice(0).reverse()) await each();
});

/** As 0.1.0 wrote it: no needs, nothing of what came later. */
const envelope = {
  kind: 'container',
  name: 'of then',
  resources: { cpuMilli: 1000, memoryBytes: 1024, diskBytes: 0 },
  durable: true,
  priority: 0,
  retries: { limit: 0, backoffMs: 1000 },
  timeoutMs: 0,
  queueTimeoutMs: 0,
  onLinkLost: 'move',
  labels: {},
  constraints: { labels: {} },
  image: 'busybox:latest',
};
const body = pack({ image: 'busybox:latest', command: ['true'] });

async function enter(
  broker: BrokerFixture,
  identity: Identity,
  role: 'worker' | 'admin',
  peer: object,
): Promise<FrozenPeer> {
  const { publicKey } = broker.identity.curve;
  const frozen = new FrozenPeer(broker.endpoint, publicKey, identity.curve);
  undo.push(() => frozen.close());
  await frozen.say(said('toBroker', 'knock'));
  const [, { nonce, grid, version }] = await frozen.next('challenge');
  expect([grid, version]).toEqual([broker.grid, 1]);
  const hello = said(
    'toBroker',
    'hello',
    (header) => {
      const signature = signHello(identity, broker.grid, nonce as string, role);
      Object.assign(header, { nonce, key: identity.key, signature });
      Object.assign(header.peer as object, peer);
    },
    (header) => header.role === role,
  );
  await frozen.say(hello);
  const [, welcome] = await frozen.next('welcome');
  expect(welcome).toMatchObject({ epoch: 1, principal: expect.any(String), credit: expect.any(Number) });
  frozen.session = welcome.session as string;
  return frozen;
}

it('a worker and a client of 0.1.0 work with the broker of today', async () => {
  const broker = new BrokerFixture();
  await broker.start();
  undo.push(() => broker.stop());
  const worker = await enter(broker, broker.enrol('worker', 'forge'), 'worker', { attempts: [], head: null });
  const client = await enter(broker, broker.enrol('admin', 'admin'), 'admin', {});

  const submit = said('toBroker', hot.submit, (header) =>
    Object.assign(header, { 0: 3, 1: 3, 3: pack(envelope) }),
  );
  await client.say([submit[0], submit[1], body]);
  const [, [seq, task]] = await client.next(hot.accepted);
  expect({ seq, task }).toEqual({ seq: 3, task: 1 });

  const [, lease, leased] = await worker.next(hot.lease);
  const [leaseSeq, floor, leasedTask, attempt, epoch, devices, sent] = lease;
  expect({ leaseSeq, floor, leasedTask, attempt, epoch, devices }).toEqual({
    ...{ leaseSeq: 1, floor: expect.any(Number), leasedTask: task, attempt: 1, epoch: 1, devices: [] },
  });
  expect([unpack(sent as Buffer), Buffer.from(leased ?? [])]).toEqual([envelope, body]);

  const of = (header: unknown[]): void => void Object.assign(header, { 0: task, 1: 1, 2: 1 });
  await worker.say(
    said('toBroker', hot.started, of),
    said('toBroker', hot.heartbeat, (header) => Object.assign(header, { 0: 1, 1: [[task, 1]] })),
  );
  const [, [beat]] = await worker.next(hot.heartbeatAck);
  expect(beat).toBe(1);
  const result = said('toBroker', hot.result, (header) => {
    of(header);
    Object.assign(header, { 3: 0, 4: null });
  });
  await worker.say(result);
  expect((await worker.next(hot.resultAck))[1]).toEqual([task, 1, 1]);
  const [, finished, outcome] = await client.next(hot.finished);
  expect([finished.slice(0, 5), Buffer.from(outcome ?? [])]).toEqual([
    [task, 1, 0, 0, null],
    Buffer.from(result[2] ?? []),
  ]);

  await client.say(
    said('toBroker', 'request', (header) => Object.assign(header, { id: 7, op: 'ps', args: { all: true } })),
  );
  const [, reply] = await client.next('reply');
  expect(reply).toMatchObject({ id: 7, failure: null });
  await client.say(said('toBroker', 'bye'));
});

it('a worker and a client of today work with a broker of 0.1.0', async () => {
  const identity = createIdentity();
  const grid = gridIdOf(identity.key);
  const broker = new FrozenBroker(grid, identity.curve.secretKey);
  await broker.start();
  undo.push(() => broker.close());
  const peers = {
    grid,
    brokers: [{ endpoint: broker.endpoint, curveKey: identity.curve.publicKey }],
  };
  const home = new BrokerFixture();
  undo.push(() => home.stop());

  const worker = createWorker(
    {
      ...peers,
      ...{ name: 'anvil', home: home.home, labels: {}, allowProcess: false, allowNoop: true },
      ...{ dataEndpoints: [], brokerKey: () => identity.key },
    },
    {
      ...{
        identity: createIdentity(),
        clock: systemClock,
        alarms: systemAlarms,
        random: systemRandom,
        log: silentLog,
      },
      onRefused: (why) => {
        throw new Error(why.message);
      },
    },
  );
  undo.push(() => worker.stop());
  await worker.start();
  const [, hello] = await broker.next('hello');
  expect(hello).toMatchObject({ role: 'worker', peer: { kind: 'worker', attempts: [] } });
  const client = new Client({
    ...peers,
    ...{
      identity: createIdentity(),
      role: 'admin',
      clock: systemClock,
      alarms: systemAlarms,
      random: systemRandom,
      log: silentLog,
    },
  });
  undo.push(() => client.close());
  await client.start();

  const { finished } = client.submit({ kind: 'noop', body: { sleepMs: 1 } });
  const submit = await broker.next(hot.submit);
  const [seq, , , bytes] = submit[1];
  // What 0.1.0 decoded of it, and needed.
  const { image: _, ...known } = envelope;
  expect(unpack(bytes as Buffer)).toMatchObject({ ...known, kind: 'noop', name: '', resources: {} });
  await broker.say(
    'admin',
    said('toClient', hot.accepted, (header) => Object.assign(header, { 0: seq, 1: 300 })),
  );
  const lease = said('toWorker', hot.lease, (header) =>
    Object.assign(header, { 0: 1, 1: 1, 2: 300, 3: 1, 4: 3, 5: [], 6: bytes }),
  );
  await broker.say('worker', [lease[0], lease[1], submit[2] ?? new Uint8Array(0)]);
  const result = await broker.next(hot.result);
  expect(result[1].slice(0, 5)).toEqual([300, 1, 3, 0, null]);
  await broker.say(
    'worker',
    said('toWorker', hot.resultAck, (header) => Object.assign(header, { 0: 300, 1: 1, 2: 3 })),
  );
  const end = said('toClient', hot.finished, (header) =>
    Object.assign(header, { 0: 300, 1: 1, 2: 0, 3: 0, 4: null }),
  );
  await broker.say('admin', end);
  expect(await finished).toMatchObject({ task: 300, state: 'succeeded', exitCode: 0 });

  const beat = await broker.next(hot.heartbeat);
  await broker.say(
    'worker',
    said('toClient', hot.heartbeatAck, (header) => Object.assign(header, { 0: beat[1][0] })),
  );
});
