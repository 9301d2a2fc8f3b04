/**
 * `grid gateway` as a daemon: OpenAI's API before the grid of this home. Ready when it listens: a broker that is away is an
 * honest answer to whoever asks meanwhile.
 *
 * 1. Under `grid up`, where nobody has said where it listens and that port is taken, it takes another and says so.
 * 2. It acts for others with the key of a delegate. A home without one is a person's: there it asks in that person's own name.
 */
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { type ConnectOptions, connect, loadMembership } from '@gryphgen/client';
import {
  ActingSessions,
  type Asker,
  type Fallback,
  FallbackDoor,
  Gateway,
  type GridDoor,
  Provider,
} from '@gryphgen/gateway';
import { GridError, failure as protocolFailure } from '@gryphgen/protocol';
import {
  ApiKeys,
  type Config,
  type Log,
  loadIdentity,
  principalIdOf,
  readHostPort,
  systemAlarms,
  systemClock,
  systemRandom,
} from '@gryphgen/runtime';
import { UsageError } from '../problem.ts';
import { loadProviders, type Providers } from '../providers-file.ts';
import { type Daemon, failure } from './daemon-life.ts';

/** Who asks waits in front of it. */
const firstSessionMs = 5000;
/** For a broker to be started again. */
const patienceMs = 20_000;

/** `tls`: paths. */
export function gatewayDaemon(
  config: Config,
  tls: { readonly cert: string; readonly key: string } | undefined,
  log: Log,
): Daemon {
  const { home, gatewayListen, gatewayBodyBytes, origins } = config;
  const place = readHostPort(gatewayListen);
  if (place === undefined) throw new UsageError(`--listen: found ${gatewayListen}, expected HOST:PORT`);
  const { failed } = failure();
  const pem = tls && { cert: pemIn('--tls-cert', tls.cert), key: pemIn('--tls-key', tls.key) };
  const sessions = new ActingSessions({
    connect: (who) => connect({ ...actingFor(home, who), ...connection(config, log) }),
    alarms: systemAlarms,
    log,
  });
  const door = behind(sessions, loadProviders(home, process.env), log);
  const make = (port: number): Gateway =>
    new Gateway({
      ...place,
      port,
      tls: pem,
      door,
      keys: new ApiKeys(home),
      clock: systemClock,
      alarms: systemAlarms,
      random: systemRandom,
      log,
      bounds: gatewayBodyBytes === 'auto' ? {} : { bodyBytes: gatewayBodyBytes },
    });
  let gateway = make(place.port);
  const isSupervised = process.send !== undefined;

  async function listen(): Promise<string> {
    try {
      return await gateway.start();
    } catch (error) {
      if (!isTaken(error)) throw error;
      if (!isSupervised || origins.gatewayListen !== 'default')
        throw new GridError(
          protocolFailure(
            'rejected.state',
            `${gatewayListen} is taken: choose another (GRID_GATEWAY_LISTEN)`,
          ),
        );
      log.warn({ listen: gatewayListen }, 'the gateway’s port is taken, so it takes another');
      gateway = make(0);
      return await gateway.start();
    }
  }
  return {
    words: { starting: `opens ${gatewayListen}`, ready: `answers at ${gatewayListen}` },
    failed,
    start: async () => {
      const url = await listen();
      log.info({ url }, 'the gateway answers');
      if (pem === undefined && !isLoopback(place.host))
        log.warn(
          { url },
          'keys and answers travel in the clear: --tls-cert and --tls-key, or a proxy that has TLS',
        );
      return { url, listen: new URL(url).host };
    },
    stop: async () => {
      await gateway.stop();
      await sessions.stop();
    },
  };
}

/** With what else has models behind the grid, if there is any. */
function behind(grid: GridDoor, { providers, models }: Providers, log: Log): GridDoor {
  if (models.size === 0) return grid;
  const deps = { clock: systemClock, alarms: systemAlarms };
  const byName = new Map(providers.map((options) => [options.name, new Provider(options, deps)]));
  const asked = [...models].map(([name, targets]): [string, readonly Fallback[]] => [
    name,
    targets.flatMap(({ provider, model }) => {
      const found = byName.get(provider);
      return found === undefined ? [] : [{ provider: found, model }];
    }),
  ]);
  return new FallbackDoor({ grid, models: new Map(asked), clock: systemClock, log });
}

function connection({ home, broker: endpoints }: Config, log: Log): ConnectOptions {
  return { home, endpoints, log, firstSessionMs, patienceMs };
}

/** With which key, and in whose name. Throws GridError where this home may act for nobody but its own. */
function actingFor(home: string, { principal, role }: Asker): ConnectOptions {
  const own = loadMembership(home).role;
  const delegate = own === 'delegate' ? own : existsSync(join(home, 'keys', 'gateway.json')) ? 'gateway' : '';
  if (delegate !== '') return { identity: delegate, role, actsFor: principal };
  const self = principalIdOf(loadIdentity(home, own).key);
  if (self === principal) return { identity: own, role };
  const words = `this gateway is ${self}’s and cannot act for ${principal}: let it join as a delegate`;
  throw new GridError(protocolFailure('rejected.forbidden', words));
}

function pemIn(flag: string, path: string): Buffer {
  try {
    return readFileSync(path);
  } catch (error) {
    throw new UsageError(`${flag}: ${error instanceof Error ? error.message : String(error)}`);
  }
}

function isTaken(error: unknown): boolean {
  return error instanceof Error && 'code' in error && error.code === 'EADDRINUSE';
}

function isLoopback(host: string): boolean {
  return host === 'localhost' || host === '::1' || host.startsWith('127.');
}
