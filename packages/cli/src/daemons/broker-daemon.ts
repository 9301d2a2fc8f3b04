/** `grid broker` as a daemon: SYMORQ with this machine's clock, keys and log. */
import { join } from 'node:path';
import { Broker } from '@gryphgen/broker';
import { gridOf, loadMembership } from '@gryphgen/client';
import {
  brokerSocketPath,
  type Config,
  type Log,
  limitTableOf,
  makeRunFolder,
  runFolder,
  systemAlarms,
  systemClock,
  systemRandom,
} from '@gryphgen/runtime';
import { keptByBroker } from '../settings.ts';
import { type Daemon, failure } from './daemon-life.ts';
import { prepareHome } from './grid-home.ts';

export function brokerDaemon(config: Config, log: Log): Daemon {
  const { home, listen, artifactsBytes, principalLimits } = config;
  const { failed, fail } = failure();
  const { identity, signer, authorized } = prepareHome(home, systemClock.wall());
  makeRunFolder(home);
  const broker = new Broker({
    home,
    // Whoever shares this home always finds it by its socket, whatever else it listens at.
    endpoints: [...new Set([`ipc://${brokerSocketPath(home)}`, ...listen])],
    grid: gridOf(loadMembership(home)),
    identity,
    signer,
    authorized,
    artifacts: {
      folder: join(home, 'artifacts'),
      endpoints: [`ipc://${runFolder(home)}/artifacts.sock`, ...listen.flatMap(besidePort)],
      budgetBytes: artifactsBytes,
    },
    principalLimits: limitTableOf(principalLimits),
    clock: systemClock,
    alarms: systemAlarms,
    random: systemRandom,
    log,
    ...keptByBroker(config),
    onFatal: fail,
  });
  return {
    words: { starting: 'reads its journal', ready: `answers at ${listen.join(', ')}` },
    failed,
    start: async () => ({ endpoints: await broker.start() }),
    stop: () => broker.stop(),
  };
}

/** At the port after the broker's: who opened that one to others opens this one, too. None beside a socket of this machine. */
function besidePort(endpoint: string): readonly string[] {
  const [, host, port] = /^(tcp:\/\/.+):([0-9]+|\*)$/.exec(endpoint) ?? [];
  if (host === undefined || port === undefined) return [];
  return [`${host}:${port === '*' ? port : Number(port) + 1}`];
}
