/** A binary min-heap of (time, task): what falls due first is on top. Entries are never removed early; who takes one checks that it still holds. */
import type { TaskId } from '@gryphgen/protocol';

export interface Deadline {
  readonly at: number;
  readonly kind: 'backoff' | 'queueTimeout';
  readonly task: TaskId;
}

export class Deadlines {
  private readonly heap: Deadline[] = [];

  get size(): number {
    return this.heap.length;
  }

  add(deadline: Deadline): void {
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

  /** Takes the earliest that is due, or undefined. */
  takeDue(now: number): Deadline | undefined {
    const heap = this.heap;
    const top = heap[0];
    if (top === undefined || top.at > now) return undefined;
    const last = heap.pop() as Deadline;
    if (heap.length > 0) this.sink(last);
    return top;
  }

  private sink(item: Deadline): void {
    const heap = this.heap;
    let index = 0;
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
