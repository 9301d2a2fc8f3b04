/** Attempts that do nothing for a while: what benchmarks measure the grid itself with. */
import { decodeBody, failure, noopBodySchema } from '@gryphgen/protocol';
import type { Alarms, Cancel } from '@gryphgen/runtime';
import type { StartOrder } from '../core/effects.ts';
import { type Fence, keyOf } from '../core/fence.ts';
import { type Executor, type ExecutorEvents, noOutcome } from './executor.ts';
import { foreign, type ProcessOwner } from './process-owner.ts';

export class NoopExecutor implements Executor {
  readonly kind = 'noop';
  private readonly alarms: Alarms;
  private readonly events: ExecutorEvents;
  private readonly noteSilent: (fence: Fence) => void;
  private readonly sleeping = new Map<string, Cancel>();

  constructor(alarms: Alarms, events: ExecutorEvents, noteSilent: (fence: Fence) => void) {
    this.alarms = alarms;
    this.events = events;
    this.noteSilent = noteSilent;
  }

  async probe(): Promise<boolean> {
    return true;
  }

  async adopt(): Promise<readonly []> {
    return [];
  }

  start({ fence, body }: StartOrder): void {
    const read = decodeBody(body);
    const parsed = noopBodySchema.safeParse(read.ok ? (read.value ?? {}) : undefined);
    if (!parsed.success) {
      this.events.startFailed(fence, failure('rejected.invalid', 'the body of a noop task is { sleepMs }'));
      return;
    }
    this.noteSilent(fence);
    if (parsed.data.sleepMs === 0) {
      // No `started`: it would be a second message for each task that is over in the same turn.
      this.events.exited(fence, { exitCode: 0, failure: null, outcome: noOutcome, stopped: false });
      return;
    }
    this.events.started(fence);
    const wake = () => this.end(fence, false);
    this.sleeping.set(keyOf(fence), this.alarms.after(parsed.data.sleepMs, wake));
  }

  stop(fence: Fence): void {
    const cancel = this.sleeping.get(keyOf(fence));
    if (cancel === undefined) return;
    cancel();
    this.end(fence, true);
  }

  private end(fence: Fence, stopped: boolean): void {
    this.sleeping.delete(keyOf(fence));
    this.events.exited(fence, { exitCode: stopped ? -1 : 0, failure: null, outcome: noOutcome, stopped });
  }

  forget(): void {
    // Nothing is left of it.
  }

  async ownerOf(): Promise<ProcessOwner> {
    return foreign;
  }

  async close(): Promise<void> {
    for (const cancel of this.sleeping.values()) cancel();
    this.sleeping.clear();
  }
}
