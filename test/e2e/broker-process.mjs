/**
 * A broker in a process of its own that takes snapshots early, so that a test can kill it while it lets bodies go. Prints
 * its endpoint when it is up.
 */
import { Broker } from '@gryphgen/broker';
import {
  AuthorizedKeys,
  gridIdOf,
  loadIdentity,
  systemAlarms,
  systemClock,
  systemRandom,
} from '@gryphgen/runtime';

const [home, endpoint, settings] = process.argv.slice(2);
const identity = loadIdentity(home, 'broker');
const quiet = () => undefined;
const broker = new Broker({
  home,
  endpoints: [endpoint],
  grid: gridIdOf(identity.key),
  identity,
  authorized: new AuthorizedKeys(home),
  clock: systemClock,
  alarms: systemAlarms,
  random: systemRandom,
  log: { debug: quiet, info: quiet, warn: quiet, error: (...said) => console.error(...said) },
  journal: JSON.parse(settings),
  onFatal: (error) => {
    console.error(error);
    process.exit(1);
  },
});
const [bound] = await broker.start();
process.stdout.write(`${bound}\n`);
