/** The short way to a client: everything it needs is found in a `$GRID_HOME`. */
import { failure, GridError, type Role } from '@gryphgen/protocol';
import {
  type Alarms,
  type Clock,
  createLog,
  type Log,
  loadConfig,
  loadIdentity,
  type Random,
  systemAlarms,
  systemClock,
  systemRandom,
} from '@gryphgen/runtime';
import { Client, type ClientOptions } from './client.ts';
import { KnownBroker } from './known-broker.ts';
import { gridOf, loadMembership } from './membership.ts';

export interface ConnectOptions
  extends Pick<ClientOptions, 'bounds' | 'firstSessionMs' | 'patienceMs' | 'onConnection' | 'actsFor'> {
  /** Where the grid's name and this user's key are; default as for `grid`: GRID_HOME, else the user's state folder. */
  readonly home?: string;
  /** tcp://HOST:PORT or ipc:///PATH of the broker, tried in turn; default as for `grid`: GRID_BROKER, config.json, home. */
  readonly endpoints?: readonly string[];
  /** Name of the key in `home`; default: called as its role. */
  readonly identity?: string;
  /**
   * What the key was authorised for; default: as this home has joined, `admin` where `grid up` made it. Of a delegate, as what
   * it acts for somebody: `submitter`, which is the default, or `viewer`.
   */
  readonly role?: Role;
  /** Default: nothing is logged. */
  readonly log?: Log;
  readonly clock?: Clock;
  readonly alarms?: Alarms;
  readonly random?: Random;
}

/**
 * A client in session: close it when you are done, for it keeps the process alive. Throws GridError: `lost.broker` when
 * no broker answers in time or `home` knows no grid, `rejected.forbidden` when the grid does not admit the key,
 * `rejected.invalid` for settings that make no sense.
 */
export async function connect(options: ConnectOptions = {}): Promise<Client> {
  const settings = loadConfig({ flags: { home: options.home, broker: options.endpoints }, env: process.env });
  if (!settings.ok) throw new GridError(failure('rejected.invalid', settings.problems.join('; ')));
  const { home, broker: endpoints } = settings.config;
  const membership = loadMembership(home);
  const own = membership.role;
  const { role = own === 'delegate' ? 'submitter' : own, identity = own === 'delegate' ? own : role } =
    options;
  const { role: _, identity: __, ...rest } = options;
  if (role === 'worker') {
    const words = `${home} has joined as a worker: to give commands from here, "grid join" a ticket for a person, too`;
    throw new GridError(failure('rejected.forbidden', words));
  }
  if (own === 'delegate' && options.actsFor === undefined) {
    const words = `${home} has joined as a delegate, which acts for others: "grid join" a ticket for a person in another GRID_HOME`;
    throw new GridError(failure('rejected.forbidden', words));
  }
  const keys = loadIdentity(home, identity);
  const { alarms = systemAlarms } = options;
  const known = new KnownBroker({ membership, home, endpoints, curve: keys.curve, alarms });
  const client = new Client({
    clock: systemClock,
    alarms,
    random: systemRandom,
    log: createLog({ daemon: 'client', level: 'silent' }),
    ...rest,
    brokers: known.addresses,
    follower: known,
    grid: gridOf(membership),
    identity: keys,
    role,
  });
  try {
    await client.start();
    return client;
  } catch (error) {
    await client.close();
    throw error;
  }
}
