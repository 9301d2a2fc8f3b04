/**
 * A binary min-heap of (time, task): what falls due first is on top. What was overtaken (its task ended or moved on) is
 * not looked for when that happens, but swept out whenever the heap has doubled: it is never longer than twice what
 * held at the last sweep, and a little.
 */
import type { TaskId } from '@gryphgen/protocol';
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
  private heap: Deadline[] = [];
  private sweepAt = unswept;

  /** `tasks`: those that have not ended. */
  constructor(tasks: ReadonlyMap<TaskId, Task>) {
    this.tasks = tasks;
  }

  get size(): number {
    return this.heap.length;
  }

  add(deadline: Deadline): void {
    if (this.heap.length >= this.sweepAt) this.sweep();
    const heap = this.heap;
    let index = heap.push(deadline) - 1;
    while (index > 0) {
      const parent = (index - 1) >> 1;
      if (before(heap[parent] as Deadline, deadline)) break;
      heap[index] = heap[parent] as Deadline;
      index = parent;
    }
    heap[index] = deadline;
  }

  /** Takes the earliest that is due and holds, or undefined. */
  takeDue(now: number): Deadline | undefined {
    for (;;) {
      const top = this.heap[0];
      if (top === undefined || top.at > now) return undefined;
      const last = this.heap.pop() as Deadline;
      if (this.heap.length > 0) this.sink(last, 0);
      if (this.holds(top)) return top;
    }
  }

  private holds({ at, kind, task: id }: Deadline): boolean {
    const task = this.tasks.get(id);
    return task !== undefined && (kind === 'queueTimeout' || task.notBefore === at);
  }

  private sweep(): void {
    const held = this.heap.filter((deadline) => this.holds(deadline));
    this.heap = held;
    for (let index = (held.length >> 1) - 1; index >= 0; index -= 1)
      this.sink(held[index] as Deadline, index);
    this.sweepAt = Math.max(unswept, 2 * held.length);
  }

  private sink(item: Deadline, from: number): void {
    const heap = this.heap;
    let index = from;
    for (;;) {
      let child = 2 * index + 1;
      if (child >= heap.length) break;
      const right = heap[child + 1];
      if (right !== undefined && before(right, heap[child] as Deadline)) child += 1;
      if (!before(heap[child] as Deadline, item)) break;
      heap[index] = heap[child] as Deadline;
      index = child;
    }
    heap[index] = item;
  }
}

function before(a: Deadline, b: Deadline): boolean {
  return a.at < b.at || (a.at === b.at && a.task < b.task);
}
