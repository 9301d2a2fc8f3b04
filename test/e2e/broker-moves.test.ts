/** A broker is given another key, and another place; nobody joins again, and what runs runs on. */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { restore, writeBackup } from '@gryphgen/broker';
import { type Client, connect, joinGrid, loadMembership } from '@gryphgen/client';
import type { EnrolledRole } from '@gryphgen/protocol';
import { createLog, identityFromSeed, loadConfig, systemRandom, type Ticket } from '@gryphgen/runtime';
import { defaultPolicy, endProcesses } from '@gryphgen/worker';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { brokerDaemon } from '../../packages/cli/src/daemons/broker-daemon.ts';
import type { Daemon } from '../../packages/cli/src/daemons/daemon-life.ts';
import { sayRestored } from '../../packages/cli/src/daemons/home-standing.ts';
import { workerDaemon } from '../../packages/cli/src/daemons/worker-daemon.ts';

const log = createLog({ daemon: 'test', level: 'silent' });
/** Members notice soon that a broker is gone. */
const timers = { heartbeatMs: 500, leaseMs: 3000, graceMs: 3000, tickMs: 200 };
const undo: (() => unknown)[] = [];
let folder: string;
let admin: Client;
let broker: Daemon;
let endpoint: string;

/** An address of this machine that nobody else listens at: the ports after the broker's are free there. */
function ownAddress(port: string): string {
  const [a, b, c] = systemRandom.bytes(3);
  return `tcp://127.${(a as number) | 64}.${b}.${(c as number) | 1}:${port}`;
}

function configOf(home: string, flags: { listen?: string[]; broker?: string[] }) {
  const read = loadConfig({ flags: { home, ...flags }, env: {} });
  if (!read.ok) throw new Error(read.problems.join());
  return read.config;
}

async function startBroker(home: string, listen: string): Promise<string> {
  broker = brokerDaemon(configOf(home, { listen: [listen] }), log, timers);
  const { endpoints } = (await broker.start()) as { endpoints: string[] };
  return String(endpoints.at(-1));
}

async function ticketFor(role: EnrolledRole): Promise<Ticket> {
  const seed = systemRandom.bytes(32);
  const { key, curve } = identityFromSeed(seed);
  const asked = { key, curveKey: curve.publicKey, role, ttlMs: 3_600_000 };
  const { expiresAt } = await admin.request('createTicket', asked);
  const { gridKey, brokerKey, brokerCurveKey } = loadMembership(join(folder, 'forge'));
  const keys = { gridKey, brokerKey, brokerCurveKey };
  return { seed: Buffer.from(seed).toString('base64url'), ...keys, brokers: [endpoint], role, expiresAt };
}

/** A home that has joined. */
async function joined(name: string, role: EnrolledRole, ticket?: Ticket): Promise<string> {
  const home = join(folder, name);
  await joinGrid(home, ticket ?? (await ticketFor(role)), name);
  return home;
}

async function person(home: string): Promise<Client> {
  const client = await connect({ home, endpoints: [endpoint], firstSessionMs: 60_000 });
  undo.push(() => client.close());
  return client;
}

beforeEach(async () => {
  folder = mkdtempSync(join(tmpdir(), 'gg-moves-'));
  endpoint = await startBroker(join(folder, 'forge'), ownAddress('*'));
  admin = await connect({ home: join(folder, 'forge') });
});
afterEach(async () => {
  for (const one of undo.splice(0).reverse()) await one();
  await admin.close();
  await broker.stop();
  rmSync(folder, { recursive: true, force: true });
});

it('and all follow: those in session, those who were away, and who joins with an old ticket', async () => {
  const [ann, ben, anvil] = [
    await joined('ann', 'submitter'),
    await joined('ben', 'submitter'),
    await joined('anvil', 'worker'),
  ];
  const early = await ticketFor('viewer');
  const worker = workerDaemon(
    configOf(anvil, { broker: [endpoint] }),
    {
      labels: {},
      allowContainers: true,
      allowProcess: true,
      allowNoop: true,
      retrieval: false,
      slots: 4,
      policy: defaultPolicy,
      dataEndpoints: [`ipc://${anvil}/data.sock`],
    },
    log,
  );
  undo.push(
    () => endProcesses(anvil),
    () => worker.stop(),
  );
  await worker.start();
  const client = await person(ann);
  /** A task that runs until it is let go. */
  const begin = async (name: string) => {
    const flag = join(folder, name);
    const command = ['sh', '-c', `until [ -e ${flag} ]; do sleep 0.05; done`];
    const { accepted, finished } = client.submit({
      kind: 'process',
      body: { command },
      onLinkLost: 'wait',
    });
    const id = await accepted;
    const running = new Promise<void>((resolve) => {
      void client.watch(id, { onChange: ({ state }) => state === 'running' && resolve() });
    });
    await running;
    return { finished, letGo: () => writeFileSync(flag, '') };
  };

  const first = await begin('first');
  const before = await admin.request('announce', { newKey: false });
  expect(before.serial).toBe(0);
  const after = await admin.request('announce', { after: before.serial, newKey: true });
  expect(after.brokerKey).not.toBe(before.brokerKey);
  expect(after.brokerCurveKey).not.toBe(before.brokerCurveKey);
  // Who did not hear the answer asks again, of the broker with the new key.
  expect(await admin.request('announce', { after: before.serial, newKey: true })).toEqual(after);
  first.letGo();
  expect(await first.finished).toMatchObject({ state: 'succeeded', attempts: 1 });
  for (const home of [ann, anvil]) expect(loadMembership(home)).toMatchObject(after);

  // Knows only what was before: it asks.
  expect(loadMembership(ben).serial).toBe(0);
  await (await person(ben)).request('nodes', {});
  expect(loadMembership(ben)).toMatchObject(after);
  expect(loadMembership(await joined('cleo', 'viewer', early))).toMatchObject(after);

  const second = await begin('second');
  const file = join(folder, 'grid.tar');
  await writeBackup({ home: join(folder, 'forge'), file, withKeys: true, wallMs: Date.now() });
  const moved = ownAddress('7600');
  const announced = await admin.request('announce', { after: after.serial, newKey: false, brokers: [moved] });
  expect(announced).toMatchObject({ brokers: [moved], brokerKey: after.brokerKey });
  await admin.close();
  await broker.stop();
  const home = join(folder, 'elsewhere');
  const complete = (draft: string): void => sayRestored(draft, Date.now, [moved]);
  restore({ file, home, keys: '', wallMs: Date.now(), complete });
  endpoint = await startBroker(home, moved);
  admin = await connect({ home });
  second.letGo();
  expect(await second.finished).toMatchObject({ state: 'succeeded', attempts: 1 });
  expect(loadMembership(anvil).serial).toBeGreaterThan(announced.serial);
  expect(client.brokerEndpoint).toBe(moved);
}, 120_000);
