/** A socket of ours at its endpoints. */
import type { Router } from 'zeromq';

/**
 * Resolves with the endpoints bound, ports filled in. Throws with the endpoint named: what zeromq says is "Address
 * already in use" and no more.
 */
export async function bindAll(
  socket: Pick<Router, 'bind' | 'lastEndpoint'>,
  endpoints: readonly string[],
): Promise<readonly string[]> {
  const bound: string[] = [];
  for (const endpoint of endpoints) {
    try {
      await socket.bind(endpoint);
    } catch (error) {
      const words = error instanceof Error ? error.message : String(error);
      throw new Error(`cannot listen at ${endpoint}: ${words}`, { cause: error });
    }
    bound.push(socket.lastEndpoint ?? endpoint);
  }
  return bound;
}
