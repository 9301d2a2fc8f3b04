/**
 * The connection by which a transfer goes: straight to where it is, or else by the first of the other places that is reached.
 */
import type { Alarms } from './clock.ts';
import { DataConnection, type DataPlace, type Place } from './data-connection.ts';

/** For TCP's second try. What stands behind a NAT or a firewall costs as much, once a minute. */
const directMs = 3000;

/** Nothing is asked there yet. Throws when the only endpoint is none. */
export async function reachData(
  { orElse = [], unreached, alarms, pace, ...here }: DataPlace,
  signal?: AbortSignal,
): Promise<DataConnection> {
  const how = { alarms, ...(pace && { pace }) };
  const all = [here, ...orElse].filter(({ endpoint }, index) => index > 0 || endpoint !== '');
  const places = unreached?.last<Place>(all) ?? all;
  for (const place of places.slice(0, -1)) {
    const connection = new DataConnection({ ...place, ...how }, directMs);
    if ((await isReached(connection, signal)) || signal?.aborted) return connection;
    unreached?.note(place);
  }
  return new DataConnection({ ...(places.at(-1) ?? here), ...how });
}

async function isReached(connection: DataConnection, signal: AbortSignal | undefined): Promise<boolean> {
  const drop = (): void => connection.drop();
  signal?.addEventListener('abort', drop, { once: true });
  try {
    if (!signal?.aborted) connection.connect();
  } catch {
    // No endpoint of which anything can be had: as good as unreachable.
    connection.drop();
  }
  if (signal?.aborted) connection.drop();
  try {
    return await connection.reached;
  } finally {
    signal?.removeEventListener('abort', drop);
  }
}

/** Whether it is reached straight from here, within `directMs`; nothing is asked there. */
export async function isReachedHere(place: Place, alarms: Alarms): Promise<boolean> {
  const connection = new DataConnection({ ...place, alarms }, directMs);
  try {
    return await isReached(connection, undefined);
  } finally {
    connection.drop();
  }
}
