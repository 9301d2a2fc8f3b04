/** `grid broker` as a daemon: SYMORQ with this machine's clock, keys and log. */
import { Broker } from '@gryphgen/broker';
import { gridOf, loadMembership } from '@gryphgen/client';
import {
  type Config,
  type Log,
  makeRunFolder,
  systemAlarms,
  systemClock,
  systemRandom,
} from '@gryphgen/runtime';
import { type Daemon, failure } from './daemon-life.ts';
import { prepareHome } from './grid-home.ts';

export function brokerDaemon({ home, listen }: Config, log: Log): Daemon {
  const { failed, fail } = failure();
  const { identity, authorized } = prepareHome(home, systemClock.wall());
  makeRunFolder(home);
  const broker = new Broker({
    home,
    endpoints: listen,
    grid: gridOf(loadMembership(home)),
    identity,
    authorized,
    clock: systemClock,
    alarms: systemAlarms,
    random: systemRandom,
    log,
    onFatal: fail,
  });
  return { failed, start: async () => ({ endpoints: await broker.start() }), stop: () => broker.stop() };
}
