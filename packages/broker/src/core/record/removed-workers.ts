/** Workers that are not there any more, and are named still. */
import { isEphemeral, type WorkerId } from '@gryphgen/protocol';
import type { BrokerState } from '../state.ts';

/** In the order of their removal. */
export function removedWorkers(state: BrokerState): readonly WorkerId[] {
  const named = new Set<WorkerId>();
  for (const { id, outcome } of state.ended.values()) {
    const worker = outcome?.worker ?? '';
    if (worker !== '' && !isEphemeral(id) && !state.workers.has(worker) && !state.removed.has(worker))
      named.add(worker);
  }
  return [...named, ...state.removed.keys()];
}
