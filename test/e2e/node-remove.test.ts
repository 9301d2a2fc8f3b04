/** `grid node remove`: a machine that is removed is out, at once and for good. */
import { AuthorizedKeys } from '@gryphgen/runtime';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { BrokerFixture } from './broker.fixture.ts';

let grid: BrokerFixture;

beforeEach(async () => {
  grid = new BrokerFixture();
  await grid.start();
});
afterEach(() => grid.stop());

it('ends its session, keeps it out over a restart of the broker, and gives its task to another', async () => {
  const leasedTo: string[] = [];
  const link = await grid.worker('anvil', (message) => {
    if (message.kind === 'lease') leasedTo.push('anvil');
  });
  const client = await grid.client();
  const task = client.submit({ kind: 'noop' });
  await task.accepted;
  while (leasedTo.length === 0) await new Promise(setImmediate);
  const [node] = await client.request('nodes', {});

  expect(await client.request('removeNode', { node: 'anvil' })).toEqual({ removed: node?.id });
  expect(await client.request('nodes', {})).toEqual([]);
  const onDisk = new AuthorizedKeys(grid.home);
  expect(onDisk.list().map(({ role }) => role)).toEqual(['admin']);
  // It tries again by itself, and is turned away by its key: before a hello, at the door.
  const refused = async () => (await client.request('status', {})).door.refused ?? 0;
  const turnedAway = async () => {
    const before = await refused();
    while ((await refused()) === before) await new Promise((resolve) => setTimeout(resolve, 50));
  };
  await turnedAway();
  expect(link.state).not.toBe('open');
  // The broker counts before the other end hears of it.
  await expect.poll(() => link.trouble?.code, { timeout: 20_000 }).toBe('rejected.forbidden');

  await grid.stopBroker();
  await grid.start();
  await turnedAway();
  expect(link.state).not.toBe('open');
  expect(await client.request('nodes', {})).toEqual([]);

  await grid.worker('forge', (message, say) => {
    if (message.kind !== 'lease') return;
    const { task: id, attempt, epoch } = message;
    const outcome = new Uint8Array(0);
    say({ kind: 'result', task: id, attempt, epoch, exitCode: 0, failure: null, ranMs: 1, outcome });
  });
  expect(await task.finished).toMatchObject({ state: 'succeeded' });
  expect(grid.fatal).toEqual([]);
});
