/**
 * What each principal has of the grid after each step, and after each recovery, counted from its tasks alone.
 *
 * 1. No more tasks are placed, and no more bytes of bodies kept, than its limits allow, across crashes and replay.
 */
import type { BrokerState } from '@gryphgen/broker';
import type { PrincipalId, PrincipalLimitTable } from '@gryphgen/protocol';
import type { Coverage } from './coverage.ts';
import { SimFailure } from './sim-failure.ts';

export class PrincipalCheck {
  private readonly limits: PrincipalLimitTable;
  private readonly coverage: Coverage;

  constructor(limits: PrincipalLimitTable, coverage: Coverage) {
    this.limits = limits;
    this.coverage = coverage;
  }

  stepped(state: BrokerState): void {
    for (const [principal, { running, bodiesBytes }] of this.limits.named) {
      if (running !== undefined) {
        const placed = placedOf(state, principal);
        if (placed > running) tooMuch(`${principal} has ${placed} tasks placed, its limit is ${running}`);
        if (placed === running) this.coverage.reached('a principal runs as much as it may');
      }
      if (bodiesBytes === undefined) continue;
      let kept = 0;
      for (const task of state.tasks.values()) if (task.principal === principal) kept += task.bodyBytes;
      if (kept > bodiesBytes)
        tooMuch(`${principal} has ${kept} bytes of bodies, its limit is ${bodiesBytes}`);
    }
  }
}

function tooMuch(words: string): never {
  throw new SimFailure('nobody has more than allowed', words);
}

function placedOf({ tasks }: BrokerState, principal: PrincipalId): number {
  let placed = 0;
  for (const task of tasks.values()) if (task.principal === principal && task.lease !== null) placed += 1;
  return placed;
}

/** Whether another of its tasks must wait. */
export function isHeldBack(state: BrokerState, principal: PrincipalId): boolean {
  const most = state.principalLimits.named.get(principal)?.running;
  return most !== undefined && placedOf(state, principal) >= most;
}
