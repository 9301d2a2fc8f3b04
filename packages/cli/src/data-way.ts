/** How logs, shells, files and answers of a machine come to this one: straight, or through the relay beside the broker, and why. */
import type { NodeDocument } from '@gryphgen/protocol';
import { isReachedHere, systemAlarms } from '@gryphgen/runtime';

export interface DataWay {
  readonly straight: boolean;
  readonly words: string;
}

/** Null of a machine that is not connected. Takes some seconds where nobody answers. */
export async function dataWayTo({ state, report }: NodeDocument): Promise<DataWay | null> {
  if (report === null || state === 'away') return null;
  const { dataEndpoint: endpoint, dataKey } = report;
  if (endpoint === '') return byRelay('it has no port of its own (--data-endpoint none)');
  if (await isReachedHere({ endpoint, dataKey }, systemAlarms))
    return { straight: true, words: `straight, at ${endpoint}` };
  return byRelay(
    endpoint.startsWith('ipc:')
      ? `${endpoint} is a socket of its own machine`
      : `${endpoint} does not answer here (a NAT, or a firewall)`,
  );
}

function byRelay(why: string): DataWay {
  return { straight: false, words: `by the relay beside the broker: ${why}` };
}
