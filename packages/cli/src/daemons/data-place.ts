/** Where a worker's logs are read unless its owner says. */
import { addressTowards, type Config, makeRunFolder, reachable } from '@gryphgen/runtime';

/**
 * At the address that its broker sees, or that its own broker listens at for others; at a socket of this machine where
 * all of the grid is.
 */
export async function dataPlace({ home, broker, listen }: Config): Promise<string> {
  for (const endpoint of broker) {
    const address = await addressTowards(endpoint).catch(() => undefined);
    if (address !== undefined) return `tcp://${address}:*`;
  }
  const [own] = listen.flatMap(reachable);
  return own === undefined
    ? `ipc://${makeRunFolder(home)}/worker-data.sock`
    : own.replace(/:(?:[0-9]+|\*)$/, ':*');
}
