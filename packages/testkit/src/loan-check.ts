/**
 * Slots that are lent (E41), after each step.
 *
 * 1. A loan is called back soon, and again and again, while somebody waits for its model whom no limit of its own keeps waiting, or
 *    while its principal waits for the end of its own tasks: nobody waits for what is held in reserve.
 * 2. None outlives its epoch. How long one lasts is its worker's to keep.
 */
import type { BrokerEvent, BrokerState, Task } from '@gryphgen/broker';
import { formatTaskId, type Message, type TaskId } from '@gryphgen/protocol';
import type { Coverage } from './coverage.ts';
import { SimFailure } from './sim-failure.ts';

/** It is said again with every second one at the latest. */
const calledWithinTicks = 3;

export class LoanCheck {
  private readonly coverage: Coverage;
  /** Ticks of the broker since it was called back, while somebody waits whom it could serve. */
  private overdue = new Map<TaskId, number>();

  constructor(coverage: Coverage) {
    this.coverage = coverage;
  }

  stepped(state: BrokerState, event: BrokerEvent): void {
    const before = this.overdue;
    this.overdue = new Map();
    for (const task of state.tasks.values()) {
      if (task.spec.envelope.loan !== true || task.lease === null) continue;
      this.coverage.reached('a slot is lent');
      if (task.lease.epoch !== state.epoch) throw wrong(task, 'it is of another epoch');
      if (!isWaitedFor(state, task)) continue;
      const ticks = (before.get(task.id) ?? 0) + (event.kind === 'tick' ? 1 : 0);
      this.overdue.set(task.id, ticks);
      if (ticks > calledWithinTicks) throw wrong(task, 'others wait, and it is not called back');
    }
  }

  recovered(): void {
    this.overdue = new Map();
  }

  sent(message: Message): void {
    if (message.kind !== 'recall') return;
    this.coverage.reached('a loan is called back');
    this.overdue.delete(message.task);
  }
}

/** While its worker can be told. */
function isWaitedFor(state: BrokerState, { principal, spec, lease }: Task): boolean {
  if (lease === null || state.workers.get(lease.worker)?.session == null) return false;
  for (const other of state.tasks.values()) {
    if (other.phase !== 'waiting' || other.notBefore > 0) continue;
    const { kind, model } = other.spec.envelope;
    const { running, quota } = state.principalLimits.named.get(other.principal) ?? {};
    const isFull = running !== undefined && (state.shares.get(other.principal)?.running ?? 0) >= running;
    if (isFull && other.principal === principal) return true;
    // What a quota allows is not computed here again.
    if (isFull || quota !== undefined) continue;
    if (kind !== 'instance' && model === spec.envelope.model) return true;
  }
  return false;
}

function wrong({ id }: Task, words: string): SimFailure {
  return new SimFailure('loans are given back', `${formatTaskId(id)}: ${words}`);
}
