/**
 * What the ledger holds of a device for an instance that is loaded: what it was seen to take there and room to grow, where that is less
 * than was planned. A decision, so that a restart counts what was counted.
 *
 * 1. Measured once it has answered and has been ready for a while: until then not all of it may be there. Less is taken once only.
 * 2. Never below what it is seen to hold: where it grows beyond, more is held again, up to what was planned. What it takes beyond that its
 *    worker tells as foreign use of the device.
 * 3. Of the worker's word no more is believed than `leastShare` of the plan. On several devices nobody tells which takes what, and on the
 *    host pages of the model's file are of use that count as nobody's: there the plan stays.
 */
import { limits } from '@gryphgen/protocol';
import { type Context, decide } from '../context.ts';
import { decided } from '../record/decisions.ts';
import type { Task, TaskLease } from '../state.ts';
import type { ModelLife } from './model-life.ts';

const MiB = 1024 ** 2;
const settledMs = 15_000;
/** It is held in such steps: less is not worth a decision. */
const stepBytes = 64 * MiB;
const leastShare = 1 / 2;

/** The journal takes decisions now. */
export function takeMeasured(context: Context, life: ModelLife, instances: readonly Task[]): void {
  const { watch } = context.state;
  for (const task of instances) {
    const { lease } = task;
    const readySince = life.instances.get(task.id)?.readySince ?? null;
    if (lease === null || readySince === null || watch - readySince < settledMs) continue;
    if ((life.usedOn.get(lease.worker) ?? 0) < readySince) continue;
    const vramBytes = toHold(lease);
    const [device] = lease.reservation.devices;
    if (vramBytes === undefined || device === undefined) continue;
    const devices = [[device.uuid, vramBytes, device.whole]] as const;
    decide(context, [decided.measured, task.id, task.attempt, devices, context.now.wall]);
  }
}

/** Undefined where nothing is to be changed. */
function toHold({ reservation, planned, use }: TaskLease): number | undefined {
  const [device, ...others] = reservation.devices;
  const seen = use?.vramBytes ?? 0;
  if (device === undefined || others.length > 0 || device.whole || seen <= 0) return undefined;
  const plannedBytes = planned?.devices[0]?.vramBytes ?? device.vramBytes;
  const measured = Math.max(seen + limits.instanceGrowthBytes, plannedBytes * leastShare);
  const wanted = Math.min(plannedBytes, Math.ceil(measured / stepBytes) * stepBytes);
  if (planned !== null) return seen > device.vramBytes && wanted > device.vramBytes ? wanted : undefined;
  return wanted <= plannedBytes - stepBytes ? wanted : undefined;
}
