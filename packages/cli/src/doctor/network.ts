/** This machine's ways to its grid and back: broker, what is beside it, and its own worker's data endpoint. Of a home without a grid nothing. */
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { brokerAddresses, connect, hasMembership, loadMembership, type Membership } from '@gryphgen/client';
import { type BesideBroker, GridError, type NodeDocument } from '@gryphgen/protocol';
import {
  type Config,
  isReachedHere,
  loadIdentity,
  notedRelay,
  placesBeside,
  systemAlarms,
  workerIdOf,
} from '@gryphgen/runtime';
import { dataPlace } from '../daemons/data-place.ts';
import { portAfter } from '../port-after.ts';
import { checkBroker, checkRelay, isReached, relayAway } from './broker-reach.ts';
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
  const told = await askBroker(config, membership);
  const relay = await lookBeside(home, way, told instanceof GridError ? undefined : told?.beside);
  if (told instanceof GridError) {
    const found = `${broker.found}, but there is no session: ${told.message}`;
    return [{ ...broker, state: 'error', found }, relay];
  }
  if (!isWorker(home)) return [broker, relay];
  return [broker, relay, await ownData(config, told?.node, way)];
}

function isWorker(home: string): boolean {
  return existsSync(join(home, 'keys', 'worker.json'));
}

interface Told {
  /** Undefined of an older broker. */
  readonly beside: BesideBroker | null | undefined;
  /** This machine's worker; undefined where it has none, or that is away. */
  readonly node: NodeDocument | undefined;
}

/** Undefined where nobody may ask from this home. */
async function askBroker(
  { home, broker: endpoints }: Config,
  { role }: Membership,
): Promise<Told | GridError | undefined> {
  if (role === 'worker' || role === 'delegate') return undefined;
  try {
    const client = await connect({ home, endpoints, firstSessionMs: sessionMs });
    try {
      const { beside } = await client.request('status', {});
      if (!isWorker(home)) return { beside, node: undefined };
      const id = workerIdOf(loadIdentity(home, 'worker').key);
      const nodes = await client.request('nodes', {});
      return { beside, node: nodes.find((node) => node.id === id && node.state !== 'away') };
    } finally {
      await client.close();
    }
  } catch (error) {
    if (error instanceof GridError) return error;
    throw error;
  }
}

/** `told`: by the broker. Who cannot ask looks where this home's worker was told last, and where it usually is. */
async function lookBeside(home: string, way: Reached, told: BesideBroker | null | undefined): Promise<Check> {
  if (told === null) return relayAway;
  const { endpoint: brokerEndpoint } = way;
  const at = (beside: BesideBroker | undefined): readonly string[] =>
    placesBeside(beside, brokerEndpoint).map(({ endpoint }) => endpoint);
  const noted = told === undefined ? at(notedRelay(home)) : [];
  const usual = portAfter(brokerEndpoint);
  const guessed = usual === undefined ? noted : [...new Set([...noted, usual])];
  const by = told !== undefined ? 'broker' : noted.length > 0 ? 'worker' : 'nobody';
  const places = told === undefined ? guessed : at(told);
  return checkRelay({ tried: await Promise.all(places.map(reach)), by, brokerEndpoint });
}

async function ownData(config: Config, node: NodeDocument | undefined, way: Reached): Promise<Check> {
  const towards = way.from === '' ? undefined : way;
  if (node?.report == null) return checkOwnData({ endpoint: await dataPlace(config), towards });
  const { dataEndpoint: endpoint, dataKey } = node.report;
  const isPort = endpoint.startsWith('tcp:');
  const answersHere = isPort ? await isReachedHere({ endpoint, dataKey }, systemAlarms) : undefined;
  return checkOwnData({ endpoint, answersHere, towards });
}
