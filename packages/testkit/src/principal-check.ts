/**
 * What each principal has of the grid after each step, and after each recovery, counted from its tasks alone.
 *
 * 1. No more tasks are placed, and no more bytes of bodies kept, than its limits allow, across crashes and replay.
 * 2. Its tasks hold no more at once than its quota, but for one that alone was seen to need more than it asks for.
 */
import { type BrokerState, chargedAs, type Task } from '@gryphgen/broker';
import type { PrincipalId, PrincipalLimitTable, Quota, Reservation } from '@gryphgen/protocol';
import type { Coverage } from './coverage.ts';
import { SimFailure } from './sim-failure.ts';

const MiB = 1024 ** 2;
/** No device of the simulation has more. */
const mostVramBytes = 12_288 * MiB;
const quantities = ['cpuMilli', 'memoryBytes', 'vramBytes', 'devices'] as const;
type Amounts = Record<(typeof quantities)[number], number>;

export class PrincipalCheck {
  private readonly limits: PrincipalLimitTable;
  private readonly coverage: Coverage;

  constructor(limits: PrincipalLimitTable, coverage: Coverage) {
    this.limits = limits;
    this.coverage = coverage;
  }

  stepped(state: BrokerState): void {
    for (const [principal, { running, bodiesBytes, quota }] of this.limits.named) {
      if (running !== undefined) {
        const placed = placedOf(state, principal).length;
        if (placed > running) tooMuch(`${principal} has ${placed} tasks placed, its limit is ${running}`);
        if (placed === running) this.coverage.reached('a principal runs as much as it may');
      }
      if (quota !== undefined) this.checkQuota(state, principal, quota);
      if (bodiesBytes === undefined) continue;
      let kept = 0;
      for (const task of state.tasks.values()) if (task.principal === principal) kept += task.bodyBytes;
      if (kept > bodiesBytes)
        tooMuch(`${principal} has ${kept} bytes of bodies, its limit is ${bodiesBytes}`);
    }
  }

  private checkQuota(state: BrokerState, principal: PrincipalId, quota: Quota): void {
    for (const each of quantities) {
      const most = quota[each];
      if (most === undefined) continue;
      const holders = placedOf(state, principal).filter((task) => heldBy(task.lease)[each] > 0);
      const held = holders.reduce((sum, task) => sum + heldBy(task.lease)[each], 0);
      const [only] = holders;
      const isAlone = holders.length === 1 && only !== undefined && mostAsked(only)[each] <= most;
      if (held > most && !isAlone) tooMuch(`${principal} holds ${held} ${each}, its quota is ${most}`);
    }
    const waits = [...state.tasks.values()].some(
      (task) => task.principal === principal && task.phase === 'waiting' && isBeyondQuota(state, task),
    );
    if (waits) this.coverage.reached('a task waits for the quota of its principal');
  }
}

function tooMuch(words: string): never {
  throw new SimFailure('nobody has more than allowed', words);
}

function placedOf({ tasks }: BrokerState, principal: PrincipalId): Task[] {
  return [...tasks.values()].filter((task) => task.principal === principal && task.lease !== null);
}

function heldBy(lease: { readonly reservation: Reservation } | null): Amounts {
  const { cpuMilli = 0, memoryBytes = 0, devices = [] } = lease?.reservation ?? {};
  const vramBytes = devices.reduce((sum, share) => sum + share.vramBytes, 0);
  return { cpuMilli, memoryBytes, vramBytes, devices: devices.filter(({ whole }) => whole).length };
}

/** Of whole devices, as if they were of the largest. */
function mostAsked({ spec }: Task, { cpuMilli, memoryBytes, gpu } = spec.envelope.resources): Amounts {
  const devices = gpu?.kind === 'whole' ? gpu.count : 0;
  const parts = gpu?.kind === 'parts' ? gpu.parts : gpu?.kind === 'part' ? [gpu] : [];
  const vramBytes = parts.reduce((sum, part) => sum + part.vramBytes, devices * mostVramBytes);
  return { cpuMilli, memoryBytes, vramBytes, devices };
}

/** As far as can be said before its devices are chosen; `without`: as if this were not held. */
function isBeyondQuota(state: BrokerState, task: Task, without: Reservation | null = null): boolean {
  const quota = state.principalLimits.named.get(task.principal)?.quota ?? {};
  const need = mostAsked(task, chargedAs(state, task.spec.envelope).resources);
  const placed = placedOf(state, task.principal);
  return quantities.some((each) => {
    const held = placed.reduce((sum, { lease }) => sum + heldBy(lease)[each], 0);
    const less = without === null ? 0 : heldBy({ reservation: without })[each];
    return need[each] > 0 && held - less + need[each] > (quota[each] ?? Number.POSITIVE_INFINITY);
  });
}

/** Whether it must wait for others of its principal, which hold `without` no more. */
export function isHeldBack(state: BrokerState, task: Task, without: Reservation | null = null): boolean {
  const most = state.principalLimits.named.get(task.principal)?.running;
  const placed = placedOf(state, task.principal).length - (without === null ? 0 : 1);
  return (most !== undefined && placed >= most) || isBeyondQuota(state, task, without);
}
