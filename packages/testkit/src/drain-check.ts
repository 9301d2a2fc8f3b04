/**
 * Drains with a deadline (E17), by the simulation's own time.
 *
 * 1. Nothing is told to end before the deadline of its worker's drain has passed, and after it everything there is.
 * 2. An attempt counts as drained only when it was told to end, and has ended.
 */
import {
  type BrokerEvent,
  type BrokerState,
  type DrainDeadline,
  deadlinesOf,
  type Worker,
} from '@gryphgen/broker';
import { formatTaskId, type TaskId } from '@gryphgen/protocol';
import type { Run } from './physical-check.ts';
import { SimFailure } from './sim-failure.ts';

/** Clocks of broker and simulation differ by their drift. */
const slack = 2e-3;

interface Since {
  readonly at: number;
  /** Seen being ordered; one that was replayed began earlier, by a wall clock that may have jumped. */
  readonly live: boolean;
}

export class DrainCheck {
  private readonly since = new WeakMap<DrainDeadline, Since>();
  private readonly told = new Set<string>();

  stepped(state: BrokerState, event: BrokerEvent, now: number): void {
    for (const worker of state.workers.values()) {
      for (const deadline of deadlinesOf(worker)) {
        if (this.since.has(deadline) || !(isOrder(event) || event.kind === 'tick')) continue;
        this.since.set(deadline, { at: now, live: isOrder(event) });
      }
      for (const id of worker.tasks) this.look(state, event, worker, id, now);
    }
  }

  private look(state: BrokerState, event: BrokerEvent, worker: Worker, id: TaskId, now: number): void {
    const task = state.tasks.get(id);
    if (!task?.lease) return;
    const name = nameOf(id, task.attempt);
    if (task.lease.drained && !this.told.has(name)) {
      this.told.add(name);
      this.checkLate(worker, name, now);
    } else if (event.kind === 'tick' && !task.lease.drained && !state.journalStalled) {
      this.checkInTime(worker, name, now);
    }
  }

  private checkLate(worker: Worker, name: string, now: number): void {
    const known = this.knownOf(worker);
    if (!worker.view.draining || known.length === 0)
      throw new SimFailure('nothing ends before its deadline', `${name}: ${worker.id} has none`);
    if (known.some(({ since, ms }) => !since.live || now - since.at >= ms * (1 - slack))) return;
    const [{ since, ms } = { since: { at: now }, ms: 0 }] = known;
    const words = `${name} is told to end ${Math.round(now - since.at)} ms after a drain with ${ms} ms`;
    throw new SimFailure('nothing ends before its deadline', words);
  }

  private checkInTime(worker: Worker, name: string, now: number): void {
    if (worker.session === null) return;
    for (const { since, ms } of this.knownOf(worker)) {
      if (now - since.at <= ms * (1 + slack)) continue;
      const words = `${name} on ${worker.id} is not, ${Math.round(now - since.at)} ms after a drain with ${ms} ms`;
      throw new SimFailure('what is over its deadline is told to end', words);
    }
  }

  private knownOf(worker: Worker): readonly { readonly since: Since; readonly ms: number }[] {
    return deadlinesOf(worker).flatMap((deadline) => {
      const since = this.since.get(deadline);
      return since === undefined ? [] : [{ since, ms: deadline.ms }];
    });
  }

  /** Its task is given to another. */
  drained(id: TaskId, attempt: number, run: Run | undefined): void {
    const name = nameOf(id, attempt);
    if (!this.told.has(name)) throw new SimFailure('what is drained was told to end', name);
    if (run !== undefined && run.end === null)
      throw new SimFailure('what is drained has ended', `${name} still runs on ${run.worker}`);
  }
}

function isOrder(event: BrokerEvent): boolean {
  return (
    event.kind === 'message' &&
    event.message.kind === 'request' &&
    /^(drain|planDrain)$/.test(event.message.op)
  );
}

function nameOf(id: TaskId, attempt: number): string {
  return `${formatTaskId(id)}.${attempt}`;
}
