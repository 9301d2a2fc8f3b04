/** The executors of one worker: which there are, which can work now, and whose turn it is for an attempt. */
import { failure, type TaskKind } from '@gryphgen/protocol';
import type { StartOrder } from './core/effects.ts';
import type { AdoptedAttempt } from './core/events.ts';
import { type Fence, keyOf } from './core/fence.ts';
import type { Executor, ExecutorEvents } from './executors/executor.ts';

export class ExecutorSet {
  private readonly executors: readonly Executor[];
  private readonly events: ExecutorEvents;
  /** Which executor an attempt is with: from its start or adoption until it is forgotten. */
  private readonly owners = new Map<string, Executor>();
  private offered: readonly TaskKind[] = [];

  constructor(executors: readonly Executor[], events: ExecutorEvents) {
    this.executors = executors;
    this.events = events;
  }

  /** The kinds that can run now. */
  async probe(): Promise<readonly TaskKind[]> {
    const able = await Promise.all(this.executors.map((executor) => executor.probe()));
    this.offered = this.executors.filter((_, index) => able[index]).map(({ kind }) => kind);
    return this.offered;
  }

  async adopt(): Promise<readonly AdoptedAttempt[]> {
    const found: AdoptedAttempt[] = [];
    for (const executor of this.executors) {
      for (const attempt of await executor.adopt()) {
        this.owners.set(keyOf(attempt.fence), executor);
        found.push(attempt);
      }
    }
    return found;
  }

  start(order: StartOrder): void {
    const { kind } = order.envelope;
    const executor = this.executors.find((one) => one.kind === kind);
    if (executor === undefined) {
      const why = failure(
        'lost.worker',
        `this worker runs no ${kind} tasks, only ${this.offered.join(', ') || 'none'}`,
      );
      this.events.startFailed(order.fence, why);
      return;
    }
    this.owners.set(keyOf(order.fence), executor);
    executor.start(order);
  }

  stop(fence: Fence, graceMs: number): void {
    this.owners.get(keyOf(fence))?.stop(fence, graceMs);
  }

  forget(fence: Fence): void {
    const key = keyOf(fence);
    this.owners.get(key)?.forget(fence);
    this.owners.delete(key);
  }

  async close(): Promise<void> {
    await Promise.all(this.executors.map((executor) => executor.close()));
  }
}
