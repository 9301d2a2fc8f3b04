/** This machine's ways to its grid and back: broker, what is beside it, and its own worker's data endpoint. Of a home without a grid nothing. */
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { brokerAddresses, connect, hasMembership, loadMembership, type Membership } from '@gryphgen/client';
import { GridError, type NodeDocument } from '@gryphgen/protocol';
import { type Config, isReachedHere, loadIdentity, systemAlarms, workerIdOf } from '@gryphgen/runtime';
import { dataPlace } from '../daemons/data-place.ts';
import { portAfter } from '../port-after.ts';
import { checkBroker, checkRelay, isReached } from './broker-reach.ts';
import type { Check } from './check.ts';
import { checkOwnData } from './own-data.ts';
import { type Reached, reach } from './reach.ts';

/** The broker can be connected to by then: one that is busy is worth the wait, since what it does not answer is told as broken. */
const sessionMs = 15_000;

export async function checkNetwork(config: Config): Promise<readonly Check[]> {
  if (!hasMembership(config.home)) return [];
  try {
    return await look(config, loadMembership(config.home));
  } catch (error) {
    if (!(error instanceof GridError)) throw error;
    return [{ name: 'broker', state: 'error', found: error.message }];
  }
}

async function look(config: Config, membership: Membership): Promise<readonly Check[]> {
  const { home } = config;
  const endpoints = brokerAddresses(membership, config.broker).map(({ endpoint }) => endpoint);
  const tried = await Promise.all(endpoints.map((endpoint) => reach(endpoint)));
  const broker = checkBroker(tried);
  const [way] = tried.filter(isReached);
  if (way === undefined) return [broker];
  const beside = portAfter(way.endpoint);
  const relay = checkRelay(beside === undefined ? undefined : await reach(beside));
  if (!existsSync(join(home, 'keys', 'worker.json'))) return [broker, relay];
  const node = await ownNode(config, membership);
  if (node instanceof GridError) {
    const found = `${broker.found}, but there is no session: ${node.message}`;
    return [{ ...broker, state: 'error', found }, relay];
  }
  return [broker, relay, await ownData(config, node, way)];
}

/** As the broker has it; undefined where nobody may ask from this home, or its worker is away. */
async function ownNode(
  { home, broker: endpoints }: Config,
  { role }: Membership,
): Promise<NodeDocument | GridError | undefined> {
  if (role === 'worker' || role === 'delegate') return undefined;
  try {
    const client = await connect({ home, endpoints, firstSessionMs: sessionMs });
    try {
      const id = workerIdOf(loadIdentity(home, 'worker').key);
      return (await client.request('nodes', {})).find((node) => node.id === id && node.state !== 'away');
    } finally {
      await client.close();
    }
  } catch (error) {
    if (error instanceof GridError) return error;
    throw error;
  }
}

async function ownData(config: Config, node: NodeDocument | undefined, way: Reached): Promise<Check> {
  const towards = way.from === '' ? undefined : way;
  if (node?.report == null) return checkOwnData({ endpoint: await dataPlace(config), towards });
  const { dataEndpoint: endpoint, dataKey } = node.report;
  const isPort = endpoint.startsWith('tcp:');
  const answersHere = isPort ? await isReachedHere({ endpoint, dataKey }, systemAlarms) : undefined;
  return checkOwnData({ endpoint, answersHere, towards });
}
