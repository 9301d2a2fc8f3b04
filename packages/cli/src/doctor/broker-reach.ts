/** Whether this machine reaches its broker, and what is beside it: by that files, kept logs and the relay are had. */
import { portAfter } from '../port-after.ts';
import type { Check } from './check.ts';
import type { Reached, Unreached } from './reach.ts';

type Tried = Reached | Unreached;

/** `tried`: each endpoint that this home knows. */
export function checkBroker(tried: readonly Tried[]): Check {
  const name = 'broker';
  const [first] = tried.filter(isReached);
  const others = tried.flatMap((one) => (isReached(one) ? [] : `${one.endpoint}: ${one.why}`));
  if (first !== undefined) {
    const not = others.length === 0 ? '' : `; not ${others.join('; not ')}`;
    return { name, state: 'ok', found: `${reachedWords(first)}${not}` };
  }
  const isHere = tried.every(({ endpoint }) => endpoint.startsWith('ipc:'));
  return {
    name,
    state: isHere ? 'warning' : 'error',
    found: `it is not reached: ${others.join('; ')}`,
    fix: isHere
      ? 'start it: "grid up", or its service ("grid service status broker")'
      : 'see that it runs there, that its port is open (firewall, NAT), and that the address is right: "grid config show", GRID_BROKER',
  };
}

export interface BesideTried {
  /** Each place where it may be; none: the broker is reached by a socket of this machine, and so is that. */
  readonly tried: readonly Tried[];
  /**
   * Who said where: the broker; this home's worker, which was told last time; nobody. Without the broker's word it is looked for at the port
   * after the broker's too, which is its own where that has a number (join.md).
   */
  readonly by: 'broker' | 'worker' | 'nobody';
  /** By which the broker was reached. */
  readonly brokerEndpoint: string;
}

export function checkRelay({ tried, by, brokerEndpoint }: BesideTried): Check {
  const name = 'relay';
  const [first] = tried;
  const [way] = tried.filter(isReached);
  if (way !== undefined) return { name, state: 'ok', found: reachedWords(way) };
  if (first === undefined)
    return { name, state: 'ok', found: 'of this machine, as the broker: no port is needed' };
  const where = tried.flatMap((one) => (isReached(one) ? [] : `${one.endpoint}: ${one.why}`)).join('; ');
  const missed = 'no files of tasks, no kept logs, and nothing of machines that are not reached straight';
  return {
    name,
    state: 'warning',
    found: `${where}: ${missed}${unsure[by]}`,
    fix: fixOf(first.endpoint, portAfter(brokerEndpoint)),
  };
}

const unsure = {
  broker: '',
  worker:
    ', unless the broker has picked another port since this machine’s worker was told: start that, and look again',
  nobody: ', unless the broker picked another port: the worker of this machine is told when it starts',
};

/** The broker is there, and what should be beside it is not. */
export const relayAway: Check = {
  name: 'relay',
  state: 'warning',
  found: 'by its broker’s word what keeps files and logs beside it, and relays, is not up',
  fix: 'it is begun again by itself; if it stays away, the broker’s log says why',
};

function fixOf(endpoint: string, usual: string | undefined): string {
  if (endpoint.startsWith('ipc:')) return 'it is begun with the broker: see the broker’s log';
  const port = portOf(endpoint);
  if (endpoint === usual)
    return `on the broker's machine open port ${port} as the one before it (firewall, NAT)`;
  return `the broker picked port ${port} when it started: have it listen at one with a number (grid broker --listen tcp://0.0.0.0:7600), and open that and the one after it (firewall, NAT)`;
}

export function isReached(tried: Tried): tried is Reached {
  return 'ms' in tried;
}

function reachedWords({ endpoint, ms }: Reached): string {
  return `${endpoint} can be connected to (${Math.max(1, Math.round(ms))} ms)`;
}

function portOf(endpoint: string): string {
  return endpoint.slice(endpoint.lastIndexOf(':') + 1);
}
