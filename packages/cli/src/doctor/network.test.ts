/** What `grid doctor` says of this machine's ways to its grid, and of the way back. */
import { once } from 'node:events';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { type AddressInfo, createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { saveMembership } from '@gryphgen/client';
import { identityFromSeed, loadConfig, loadIdentity, RelayNote } from '@gryphgen/runtime';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { portAfter } from '../port-after.ts';
import { type BesideTried, checkBroker, checkRelay } from './broker-reach.ts';
import { checkNetwork } from './network.ts';
import { checkOwnData, type OwnData } from './own-data.ts';
import { type Reached, reach, type Unreached } from './reach.ts';

type Tried = Reached | Unreached;

let home: string;
const undo: (() => Promise<unknown>)[] = [];
beforeEach(() => {
  home = mkdtempSync(join(tmpdir(), 'gg-net-'));
});
afterEach(async () => {
  for (const one of undo.splice(0)) await one();
  rmSync(home, { recursive: true });
});

/** Takes connections, and says nothing. */
async function listening(at: string | number = 0): Promise<string> {
  const server = createServer((socket) => socket.on('error', () => undefined));
  undo.push(() => new Promise((resolve) => server.close(resolve)));
  if (typeof at === 'string') server.listen(at);
  else server.listen(at, '127.0.0.1');
  await once(server, 'listening');
  return typeof at === 'string' ? `ipc://${at}` : `tcp://127.0.0.1:${(server.address() as AddressInfo).port}`;
}

/** Of the privileged ports nobody is given one by chance. */
const closed = 'tcp://127.0.0.1:1';

it('a broker that is reached at one of its endpoints, and one at none', async () => {
  const open = await listening();
  const found = checkBroker([await reach(closed), await reach(open)]);
  expect(found).toMatchObject({ name: 'broker', state: 'ok' });
  expect(found.found).toMatch(/^tcp:.* can be connected to \([0-9]+ ms\); not tcp:.*: nobody listens there$/);
  expect(checkBroker([await reach(closed)])).toMatchObject({
    state: 'error',
    found: `it is not reached: ${closed}: nobody listens there`,
    fix: expect.stringMatching(/firewall.*GRID_BROKER/),
  });
  const socket = `ipc://${join(home, 'none.sock')}`;
  expect(checkBroker([await reach(socket)])).toMatchObject({
    state: 'warning',
    found: `it is not reached: ${socket}: there is no such socket`,
    fix: expect.stringContaining('grid up'),
  });
});

it('the port beside the broker’s, where files, kept logs and the relay are', async () => {
  expect(await reach('tcp://nothing')).toMatchObject({ why: 'expected tcp://HOST:PORT or ipc:///PATH' });
  expect(portAfter('tcp://[::1]:7600')).toBe('tcp://[::1]:7601');
  expect(portAfter('ipc:///run/broker.sock')).toBeUndefined();
  const beside = (
    tried: Tried[],
    by: BesideTried['by'] = 'broker',
    brokerEndpoint = 'tcp://127.0.0.1:40000',
  ) => checkRelay({ tried, by, brokerEndpoint });
  expect(beside([]).state).toBe('ok');
  const open = await reach(await listening());
  const shut = await reach(closed);
  expect(beside([open])).toMatchObject({ name: 'relay', state: 'ok' });
  expect(beside([shut, open])).toMatchObject({ state: 'ok' });
  expect(beside([shut], 'broker', 'tcp://127.0.0.1:0')).toMatchObject({
    state: 'warning',
    found: expect.stringMatching(/127\.0\.0\.1:1: nobody listens there: no files of tasks.* straight$/),
    fix: expect.stringContaining('open port 1 as the one before it'),
  });
  expect(beside([shut])).toMatchObject({ fix: expect.stringMatching(/picked port 1 .*--listen/) });
  expect(beside([shut], 'nobody').found).toContain('unless the broker picked another port');
  expect(beside([shut], 'worker').found).toContain('since this machine’s worker was told');
});

it.each<[string, OwnData, object]>([
  ['none', { endpoint: '' }, { state: 'ok', found: expect.stringContaining('by the relay') }],
  ['a socket', { endpoint: 'ipc:///x' }, { found: expect.stringContaining('all of the grid is here') }],
  [
    'one that is shut',
    { endpoint: 'tcp://10.0.0.7:7601', answersHere: false },
    {
      state: 'warning',
      found: expect.stringContaining('not even here'),
      fix: expect.stringContaining('firewall'),
    },
  ],
  [
    'one behind a NAT',
    { endpoint: 'tcp://192.168.1.7:*', towards: { from: '192.168.1.7', to: '203.0.113.5' } },
    {
      state: 'ok',
      found: expect.stringMatching(/^a free port of 192\.168\.1\.7 is behind a NAT: .*relay/),
      fix: expect.stringContaining('--data-endpoint'),
    },
  ],
  [
    'one of the same network',
    { endpoint: 'tcp://10.0.0.7:41000', answersHere: true, towards: { from: '10.0.0.7', to: '10.0.0.1' } },
    {
      state: 'ok',
      found: expect.stringMatching(/^tcp:\/\/10\.0\.0\.7:41000: straight .*grid node show NAME/),
    },
  ],
  [
    'a public one',
    { endpoint: 'tcp://[2001:db8::7]:41000', towards: { from: '2001:db8::7', to: '2001:db8::1' } },
    { state: 'ok', found: expect.stringContaining('straight for who reaches it') },
  ],
])('a data endpoint: %s', (_what, own, expected) => {
  expect(checkOwnData(own)).toMatchObject({ name: 'data', ...expected });
});

it('a home that belongs to no grid has no ways; one that has joined as a machine is looked at without a key', async () => {
  const broker = await listening(join(home, 'broker.sock'));
  const loaded = loadConfig({ flags: { home, broker: [broker] }, env: {} });
  if (!loaded.ok) throw new Error(loaded.problems.join());
  expect(await checkNetwork(loaded.config)).toEqual([]);
  const { key, curve } = identityFromSeed(Buffer.alloc(32, 1));
  saveMembership(home, { gridKey: key, brokerKey: key, brokerCurveKey: curve.publicKey, role: 'worker' });
  const names = async () => (await checkNetwork(loaded.config)).map(({ name, state }) => `${name} ${state}`);
  expect(await names()).toEqual(['broker ok', 'relay ok']);
  loadIdentity(home, 'worker');
  expect(await names()).toEqual(['broker ok', 'relay ok', 'data ok']);
  writeFileSync(join(home, 'grid.json'), '{}');
  expect(await names()).toEqual(['broker error']);
});

it('one that has joined as a machine alone looks where its worker was told that the relay is', async () => {
  const broker = await listening(join(home, 'broker.sock'));
  const loaded = loadConfig({ flags: { home, broker: [broker] }, env: {} });
  if (!loaded.ok) throw new Error(loaded.problems.join());
  const { key, curve } = identityFromSeed(Buffer.alloc(32, 1));
  saveMembership(home, { gridKey: key, brokerKey: key, brokerCurveKey: curve.publicKey, role: 'worker' });
  mkdirSync(join(home, 'worker'));
  const note = new RelayNote(home);
  const relay = async () => (await checkNetwork(loaded.config)).find(({ name }) => name === 'relay');
  const picked = await listening(join(home, 'picked.sock'));
  await note.keep({ endpoints: ['tcp://10.0.0.7:7601', picked], dataKey: curve.publicKey });
  expect(await relay()).toMatchObject({ state: 'ok', found: expect.stringContaining(picked) });
  const left = `ipc://${join(home, 'left.sock')}`;
  await note.keep({ endpoints: [left], dataKey: curve.publicKey });
  expect(await relay()).toMatchObject({
    state: 'warning',
    found: expect.stringMatching(/left\.sock: there is no such socket.*worker was told/),
  });
  writeFileSync(join(home, 'worker', 'relay.json'), '{"endpoints":7}');
  expect(await relay()).toMatchObject({ state: 'ok', found: expect.stringContaining('of this machine') });
});
