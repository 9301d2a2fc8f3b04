/** Whether this machine reaches its broker, and the port beside it by which files, kept logs and the relay are had. */
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

/** At the port after the broker's, which is its own where that has a number (join.md); `undefined`: the broker is reached by a socket of this machine, and so is that. */
export function checkRelay(tried: Tried | undefined): Check {
  const name = 'relay';
  if (tried === undefined)
    return { name, state: 'ok', found: 'of this machine, as the broker: no port is needed' };
  if (isReached(tried)) return { name, state: 'ok', found: reachedWords(tried) };
  const { endpoint, why } = tried;
  return {
    name,
    state: 'warning',
    found: `${endpoint}: ${why}: no files of tasks, no kept logs, and nothing of machines that are not reached straight`,
    fix: `on the broker's machine open port ${portOf(endpoint)} as the one before it (firewall, NAT)`,
  };
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
