/** Where a worker's logs are read unless its owner says. */
import { addressTowards, type Config, reachable, runFolder } from '@gryphgen/runtime';

/**
 * At the address that its broker sees, or that its own broker listens at for others; at a socket of this machine where
 * all of the grid is. A broker elsewhere that cannot be found yet (a machine that has just begun) sees this machine's
 * first address, most likely. Makes nothing: who listens at a socket makes its folder.
 */
export async function dataPlace({ home, broker, listen }: Config): Promise<string> {
  let hidden = false;
  for (const endpoint of broker) {
    try {
      const address = await addressTowards(endpoint);
      if (address !== undefined) return `tcp://${address}:*`;
    } catch {
      hidden = true;
    }
  }
  const [own] = (hidden ? ['tcp://0.0.0.0:*'] : listen).flatMap(reachable);
  return own === undefined
    ? `ipc://${runFolder(home)}/worker-data.sock`
    : own.replace(/:(?:[0-9]+|\*)$/, ':*');
}
