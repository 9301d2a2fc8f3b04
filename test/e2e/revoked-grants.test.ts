/** Whose key is revoked has nothing more of what was granted: workers are told at once, and when they come back. */
import type { ToWorker } from '@gryphgen/protocol';
import { principalIdOf } from '@gryphgen/runtime';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { BrokerFixture } from './broker.fixture.ts';

let grid: BrokerFixture;

beforeEach(async () => {
  grid = new BrokerFixture();
  await grid.start();
});
afterEach(() => grid.stop());

/** A worker, and what it is told next of those who are revoked. */
async function listener(name: string) {
  let tell: (message: ToWorker) => void = () => undefined;
  const told = new Promise<ToWorker>((resolve) => {
    tell = resolve;
  });
  await grid.worker(name, (message) => message.kind === 'revoked' && tell(message));
  return { told };
}

it('tells every worker whom it lets in no more, and those who come later', async () => {
  const { told } = await listener('forge');
  const admin = await grid.client();
  const submitter = grid.enrol('submitter', 'ann');
  await grid.client('submitter', submitter);
  const principal = principalIdOf(submitter.key);
  await admin.request('revokePrincipal', { principal });
  expect(await told).toEqual({ kind: 'revoked', principals: [principal] });

  await grid.stopBroker();
  await grid.start();
  expect(await (await listener('anvil')).told).toEqual({ kind: 'revoked', principals: [principal] });
  const [forge] = (await admin.request('nodes', {})).filter(({ name }) => name === 'forge');
  await admin.request('removeNode', { node: String(forge?.id) });
  const { told: both } = await listener('quern');
  expect(await both).toMatchObject({ principals: [principal, expect.stringMatching(/^p-/)] });
  expect(grid.fatal).toHaveLength(0);
});
