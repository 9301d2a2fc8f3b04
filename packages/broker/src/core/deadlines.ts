/**
 * A heap of (time, task): what falls due first is on top. What was overtaken (its task ended or moved on) is
 * not looked for when that happens, but swept out whenever the heap has doubled: it is never longer than twice what
 * held at the last sweep, and a little.
 */
import type { TaskId } from '@gryphgen/protocol';
import { BinaryHeap } from './binary-heap.ts';
import type { Task } from './state.ts';

export interface Deadline {
  readonly at: number;
  readonly kind: 'backoff' | 'queueTimeout';
  readonly task: TaskId;
}

/** So few are not worth a sweep. */
const unswept = 64;

export class Deadlines {
  private readonly tasks: ReadonlyMap<TaskId, Task>;
  private readonly heap = new BinaryHeap<Deadline>(before);
  private sweepAt = unswept;

  /** `tasks`: those that have not ended. */
  constructor(tasks: ReadonlyMap<TaskId, Task>) {
    this.tasks = tasks;
  }

  get size(): number {
    return this.heap.size;
  }

  add(deadline: Deadline): void {
    if (this.heap.size >= this.sweepAt) this.sweep();
    this.heap.push(deadline);
  }

  /** Takes the earliest that is due and holds, or undefined. */
  takeDue(now: number): Deadline | undefined {
    for (let top = this.heap.top; top !== undefined && top.at <= now; top = this.heap.top) {
      this.heap.pop();
      if (this.holds(top)) return top;
    }
    return undefined;
  }

  private holds({ at, kind, task: id }: Deadline): boolean {
    const task = this.tasks.get(id);
    return task !== undefined && (kind === 'queueTimeout' || task.notBefore === at);
  }

  private sweep(): void {
    this.heap.keep((deadline) => this.holds(deadline));
    this.sweepAt = Math.max(unswept, 2 * this.heap.size);
  }
}

function before(a: Deadline, b: Deadline): boolean {
  return a.at < b.at || (a.at === b.at && a.task < b.task);
}
