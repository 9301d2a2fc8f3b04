import { once } from 'node:events';
import { type AddressInfo, createServer } from 'node:net';
import { afterEach, expect, it } from 'vitest';
import { curveKeyPair, Router } from 'zeromq';
import { dataWayTo } from './data-way.ts';
import { node, report } from './render/node.fixture.ts';

const { publicKey: dataKey, secretKey: curveSecretKey } = curveKeyPair();
const undo: (() => unknown)[] = [];
afterEach(async () => {
  for (const one of undo.splice(0)) await one();
});

const wayTo = (dataEndpoint: string) => dataWayTo({ ...node, report: { ...report, dataEndpoint, dataKey } });

it('is straight where somebody answers who has the key', async () => {
  const router = new Router({ curveServer: true, curveSecretKey, linger: 0 });
  undo.push(() => router.close());
  await router.bind('tcp://127.0.0.1:*');
  const endpoint = router.lastEndpoint ?? '';
  expect(await wayTo(endpoint)).toEqual({ straight: true, words: `straight, at ${endpoint}` });
});

it('is by the relay where nobody answers, or there is no port, and says so', async () => {
  const silent = createServer();
  silent.listen(0, '127.0.0.1');
  undo.push(() => silent.close());
  await once(silent, 'listening');
  const endpoint = `tcp://127.0.0.1:${(silent.address() as AddressInfo).port}`;
  expect(await wayTo(endpoint)).toEqual({
    straight: false,
    words: `by the relay beside the broker: ${endpoint} does not answer here (a NAT, or a firewall)`,
  });
  expect((await wayTo(''))?.words).toContain('it has no port of its own (--data-endpoint none)');
});

it('is none of a machine that is away', async () => {
  expect(await dataWayTo({ ...node, state: 'away' })).toBeNull();
});
