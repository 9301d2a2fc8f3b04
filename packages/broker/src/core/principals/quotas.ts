/**
 * What a principal's tasks may hold of the grid at once: CPU, memory, device memory, whole devices.
 *
 * 1. What counts is what the ledger reserves for them, changed where their leases change (`apply`): replay makes the same.
 * 2. A task that would go beyond waits for its principal's own, and keeps nobody else's waiting; one that asks for more than
 *    there is of it alone is refused. Who holds nothing may always have what a task asks for: what its class was seen to need
 *    makes nothing impossible.
 */
import {
  type Envelope,
  formatBytes,
  formatTaskId,
  type PrincipalId,
  type Quota,
  type QuotaDocument,
  type Resources,
} from '@gryphgen/protocol';
import { type Placement, place, type WorkerView, wholeVram } from '@gryphgen/scheduler';
import type { BrokerState, Task } from '../state.ts';
import { chargedAs } from '../workers/charging.ts';
import { type Held, heldBy, nothingHeld } from './held.ts';
import { limitsOf, type Share } from './shares.ts';

type Quantity = QuotaDocument['of'];
/** A task, or what might be one. */
type Asking = Pick<Task, 'principal'> & { readonly spec: Pick<Task['spec'], 'envelope'> };

const quantities = ['cpuMilli', 'memoryBytes', 'devices', 'vramBytes'] as const;

/** What it asks for; of whole devices the least that such have on this grid, as far as that is known and asked. */
function askedBy(
  { cpuMilli, memoryBytes, gpu }: Resources,
  quota: Quota,
  workers: readonly WorkerView[],
): Held {
  const held = { cpuMilli, memoryBytes, vramBytes: 0, devices: 0 };
  if (gpu?.kind === 'part') return { ...held, vramBytes: gpu.vramBytes };
  if (gpu === undefined) return held;
  if (gpu.kind === 'parts')
    return { ...held, vramBytes: gpu.parts.reduce((sum, { vramBytes }) => sum + vramBytes, 0) };
  return {
    ...held,
    devices: gpu.count,
    vramBytes: quota.vramBytes === undefined ? 0 : wholeVram(gpu, workers),
  };
}

/** What of its principal's quota keeps a waiting task from being placed; undefined: nothing. */
export function quotaAgainst(state: BrokerState, task: Asking): Quantity | undefined {
  const { quota } = limitsOf(state, task.principal);
  if (quota === undefined) return undefined;
  const { running = 0, held = nothingHeld } = state.shares.get(task.principal) ?? {};
  return beyond(quota, held, needOf(state, task, quota, running));
}

function needOf(state: BrokerState, { spec: { envelope } }: Asking, quota: Quota, running: number): Held {
  const { resources } = running === 0 ? envelope : chargedAs(state, envelope);
  return askedBy(resources, quota, state.views);
}

function beyond(quota: Quota, held: Held, need: Held): Quantity | undefined {
  return quantities.find(
    (each) => need[each] > 0 && held[each] + need[each] > (quota[each] ?? Number.POSITIVE_INFINITY),
  );
}

/** The placement, if what it holds is within the quota; else on smaller devices: how much a whole one has is known once it is chosen. */
export function placedWithin(
  state: BrokerState,
  { principal, spec }: Asking,
  placement: Placement,
  workers: readonly WorkerView[],
  envelope: Envelope,
): Placement {
  const most = limitsOf(state, principal).quota?.vramBytes;
  if (most === undefined || spec.envelope.resources.gpu?.kind !== 'whole') return placement;
  const left = most - (state.shares.get(principal)?.held.vramBytes ?? 0);
  let found = placement;
  while (found.kind === 'placed' && heldBy(found.reservation).vramBytes > left) {
    const largest = Math.max(...found.reservation.devices.map(({ vramBytes }) => vramBytes));
    found = place(
      envelope,
      workers.map((view) => withDevicesBelow(view, largest)),
      state.demand.typical,
      state.policies.inForce,
    );
  }
  return found;
}

function withDevicesBelow(view: WorkerView, vramBytes: number): WorkerView {
  const { report } = view;
  if (report === null) return view;
  return {
    ...view,
    report: { ...report, devices: report.devices.filter((device) => device.vramBytes < vramBytes) },
  };
}

/** Why a task that asks for this is refused, in words that go on after `may`. */
export function beyondAlone(
  state: BrokerState,
  principal: PrincipalId,
  resources: Resources,
): string | undefined {
  const { quota } = limitsOf(state, principal);
  if (quota === undefined) return undefined;
  const need = askedBy(resources, quota, state.views);
  const of = beyond(quota, nothingHeld, need);
  // A worker that has not reported may have smaller devices.
  const isKnown =
    of !== 'vramBytes' || resources.gpu?.kind !== 'whole' || state.views.every(({ report }) => report);
  if (of === undefined || !isKnown) return undefined;
  return `hold ${inWords(of, quota[of] ?? 0)} at once, and this alone needs ${inWords(of, need[of])}`;
}

/**
 * Of a task that waits for its principal's quota: how much is held, and the ends of which would do, the greatest first.
 * `workers`: as it may use them.
 */
export function quotaDocument(
  state: BrokerState,
  task: Asking,
  workers: readonly WorkerView[],
): QuotaDocument | undefined {
  const { quota } = limitsOf(state, task.principal);
  const share = state.shares.get(task.principal);
  if (quota === undefined || share === undefined) return undefined;
  const of = quotaAgainst(state, task);
  if (of !== undefined)
    return documentOf(state, share, quota, of, needOf(state, task, quota, share.running)[of]);
  const envelope = chargedAs(state, task.spec.envelope);
  const first = place(envelope, workers, state.demand.typical, state.policies.inForce);
  if (first.kind !== 'placed' || placedWithin(state, task, first, workers, envelope).kind === 'placed')
    return undefined;
  return documentOf(state, share, quota, 'vramBytes', heldBy(first.reservation).vramBytes);
}

function documentOf(
  state: BrokerState,
  share: Share,
  quota: Quota,
  of: Quantity,
  needed: number,
): QuotaDocument {
  const allowed = quota[of] ?? 0;
  const held = share.held[of];
  const holders = [...share.tasks]
    .map((id) => ({ id, lease: state.tasks.get(id)?.lease }))
    .map(({ id, lease }) => ({ id, amount: lease ? heldBy(lease.reservation)[of] : 0 }))
    .filter(({ amount }) => amount > 0)
    .sort((a, b) => b.amount - a.amount || a.id - b.id);
  const ends: string[] = [];
  let left = held + needed - allowed;
  for (const { id, amount } of needed > allowed ? [] : holders) {
    if (left <= 0) break;
    ends.push(formatTaskId(id));
    left -= amount;
  }
  return { of, held, allowed, needed, ends };
}

export function quotaWords(
  principal: PrincipalId,
  { of, held, allowed, needed, ends }: QuotaDocument,
): string {
  const [most, has, asks] = [allowed, held, needed].map((amount) => inWords(of, amount));
  const until = ends.length === 0 ? 'which is never enough' : `enough once ${ends.join(', ')} ended`;
  return `waits for its quota: ${principal} may hold ${most} at once, holds ${has}, and this needs ${asks}: ${until}`;
}

function inWords(of: Quantity, amount: number): string {
  switch (of) {
    case 'cpuMilli':
      return `${amount / 1000} CPU`;
    case 'memoryBytes':
      return `${formatBytes(amount)} of memory`;
    case 'vramBytes':
      return `${formatBytes(amount)} of device memory`;
    case 'devices':
      return `${amount} whole ${amount === 1 ? 'device' : 'devices'}`;
  }
}
