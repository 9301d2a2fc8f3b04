/** A broker in a process of its own: `broker.ts HOME ENDPOINT`. */
import { Broker } from '@gryphgen/broker';
import {
  AuthorizedKeys,
  createLog,
  gridIdOf,
  loadIdentity,
  systemAlarms,
  systemClock,
  systemRandom,
} from '@gryphgen/runtime';

const [home = '', endpoint = ''] = process.argv.slice(2);
const identity = loadIdentity(home, 'broker');
const broker = new Broker({
  home,
  endpoints: [endpoint],
  grid: gridIdOf(identity.key),
  identity,
  authorized: new AuthorizedKeys(home),
  clock: systemClock,
  alarms: systemAlarms,
  random: systemRandom,
  log: createLog({ daemon: 'broker', level: 'warn' }),
  onFatal: (error) => {
    throw error;
  },
});
await broker.start();
process.on('SIGTERM', () => void broker.stop().then(() => process.exit()));
