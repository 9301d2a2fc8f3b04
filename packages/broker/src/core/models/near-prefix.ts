/** Where a prompt's beginning was answered before: noted with each lease, and weighed among workers that are as good. */
import type { Envelope, WorkerId } from '@gryphgen/protocol';
import {
  type Outlook,
  type Placement,
  type WorkerDecision,
  type WorkerView,
  warmest,
  withPrefix,
} from '@gryphgen/scheduler';
import type { BrokerState, Task } from '../state.ts';

interface Found {
  readonly placement: Placement;
  readonly views: readonly WorkerView[];
  readonly outlooks: () => readonly Outlook[];
}

/** `envelope`: as it is charged. Of a task without a prompt's hashes: as it was found. */
export function nearPrefix(
  state: BrokerState,
  envelope: Envelope,
  { placement, views, outlooks }: Found,
): Placement {
  const shareOn = sharesOf(state, envelope);
  if (shareOn === undefined || placement.kind !== 'placed') return placement;
  const { demand, policies } = state;
  const how = { demand: demand.typical, policy: policies.inForce, shareOn };
  return warmest(envelope, placement, { ...how, views, outlooks: outlooks() });
}

export function notePrefix({ models }: BrokerState, { spec }: Task, worker: WorkerId): void {
  const { model, prefix } = spec.envelope;
  if (model !== undefined && prefix !== undefined) models.prefixes.note(worker, model, prefix);
}

/** Before it is noted where the task goes. */
export function explainedPrefix(
  state: BrokerState,
  envelope: Envelope,
  decisions: readonly WorkerDecision[],
): readonly WorkerDecision[] {
  const shareOn = sharesOf(state, envelope);
  return shareOn === undefined ? decisions : withPrefix(decisions, shareOn);
}

function sharesOf(
  { models }: BrokerState,
  { model, prefix }: Envelope,
): ((worker: WorkerId) => number) | undefined {
  if (model === undefined || prefix === undefined) return undefined;
  return (worker) => models.prefixes.shareOn(worker, model, prefix);
}
