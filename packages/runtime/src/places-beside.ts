import type { BesideBroker, DataPlaceDocument, RelayDocument } from '@gryphgen/protocol';
import type { Place } from './data-connection.ts';

/** Where this process reaches what listens beside the broker: by the broker's socket if it is reached so, else by its address. */
export function placesBeside(
  broker: BesideBroker | null | undefined,
  reachedBy: string,
): readonly DataPlaceDocument[] {
  if (!broker) return [];
  const { endpoints, dataKey } = broker;
  const [, host] = /^tcp:\/\/(.+):[0-9]+$/.exec(reachedBy) ?? [];
  if (host === undefined)
    return endpoints.filter((each) => each.startsWith('ipc:')).map((endpoint) => ({ endpoint, dataKey }));
  const ports = endpoints.flatMap((each) => /^tcp:\/\/.+:([0-9]+)$/.exec(each)?.[1] ?? []);
  return ports.map((port) => ({ endpoint: `tcp://${host}:${port}`, dataKey }));
}

/** Where it reaches a worker through the relay beside the broker. */
export function placesBehind(relay: RelayDocument | undefined, reachedBy: string): readonly Place[] {
  return placesBeside(relay, reachedBy).map((place) => ({ ...place, relayed: relay?.worker ?? '' }));
}
