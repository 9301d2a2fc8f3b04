/**
 * Attempts that are ended to make room (E30).
 *
 * 1. Only what may be, for a task of a higher priority of its own that waits, after it has run for its time, and no more
 *    often than the limit.
 * 2. One that counts as preempted was told to end, and has ended.
 * 3. Once its worker was told, every epoch knows that, and what it ends with for that is no loss.
 */
import { type BrokerEvent, type BrokerState, isPreemptible, type Task } from '@gryphgen/broker';
import { formatTaskId, limits, type TaskId } from '@gryphgen/protocol';
import type { Coverage } from './coverage.ts';
import type { Run } from './physical-check.ts';
import { SimFailure } from './sim-failure.ts';

export class PreemptCheck {
  private told = new Set<string>();
  /** Those whose worker was told, which is after the decision is on disk. */
  private readonly sentTo = new Set<string>();
  private readonly counted = new Map<TaskId, number>();
  private readonly coverage: Coverage;

  constructor(coverage: Coverage) {
    this.coverage = coverage;
  }

  stepped(state: BrokerState, wall: number): void {
    for (const task of state.tasks.values()) {
      const { id, attempt, lease } = task;
      if (lease === null || lease.preempted === null || this.told.has(nameOf(id, attempt))) continue;
      this.told.add(nameOf(id, attempt));
      this.counted.set(id, (this.counted.get(id) ?? 0) + 1);
      this.coverage.reached('an attempt is to end for another task');
      const wrong = this.wrongWith(state, task, lease.preempted.by, wall - (lease.startedAt || wall));
      if (wrong !== undefined)
        throw new SimFailure('only what may be is ended for others', `${nameOf(id, attempt)}: ${wrong}`);
    }
  }

  stopSent(id: TaskId, attempt: number): void {
    if (this.told.has(nameOf(id, attempt))) this.sentTo.add(nameOf(id, attempt));
  }

  /** What was decided and not yet on disk is forgotten. */
  recovered(state: BrokerState): void {
    for (const { id, attempt, lease } of state.tasks.values()) {
      if (lease === null || lease.preempted !== null || !this.sentTo.has(nameOf(id, attempt))) continue;
      throw new SimFailure('what was told to end for another is known to be', nameOf(id, attempt));
    }
    const standing = [...state.tasks.values()].filter(({ lease }) => lease?.preempted != null);
    this.told = new Set(standing.map(({ id, attempt }) => nameOf(id, attempt)));
    this.counted.clear();
    for (const { id, preemptions } of state.tasks.values()) this.counted.set(id, preemptions);
  }

  private wrongWith({ tasks }: BrokerState, task: Task, by: TaskId, ranMs: number): string | undefined {
    const { envelope } = task.spec;
    const other = tasks.get(by);
    if (!isPreemptible(envelope)) return 'it may not be';
    if (other?.phase !== 'waiting') return `${formatTaskId(by)} does not wait`;
    if (other.spec.envelope.priority <= envelope.priority)
      return `${formatTaskId(by)} has no higher priority`;
    const times = this.counted.get(task.id) ?? 0;
    if (times > limits.preemptions || times !== task.preemptions)
      return `it was ${times} times, and ${task.preemptions} count`;
    return ranMs >= limits.unpreemptedMs * 2 ** (times - 1) ? undefined : `it has run for ${ranMs} ms`;
  }

  /** It was lost by a word of its worker. */
  lost(id: TaskId, attempt: number, event: BrokerEvent): void {
    if (event.kind !== 'message' || event.message.kind !== 'result') return;
    const said = event.message.failure?.code;
    const isStop = said === 'lost.drained' || said === 'cancelled.user';
    if (!isStop || !this.told.has(nameOf(id, attempt))) return;
    throw new SimFailure('what is ended for another is no loss', `${nameOf(id, attempt)} said ${said}`);
  }

  /** Its task is given to another. */
  preempted(id: TaskId, attempt: number, run: Run | undefined): void {
    const name = nameOf(id, attempt);
    if (!this.told.has(name)) throw new SimFailure('what is preempted was told to end', name);
    if (run !== undefined && run.end === null)
      throw new SimFailure('what is preempted has ended', `${name} still runs on ${run.worker}`);
    this.coverage.reached('an attempt has ended for another task');
  }
}

function nameOf(id: TaskId, attempt: number): string {
  return `${formatTaskId(id)}.${attempt}`;
}
