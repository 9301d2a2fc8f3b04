/**
 * What is to happen, in order of (time, number): events of one instant happen in the order they were planned, so a run
 * has one order and no other.
 */
interface Entry<T> {
  readonly at: number;
  readonly order: number;
  readonly event: T;
}

export class EventHeap<T> {
  private readonly heap: Entry<T>[] = [];
  private planned = 0;

  get size(): number {
    return this.heap.length;
  }

  push(at: number, event: T): void {
    this.planned += 1;
    const entry = { at, order: this.planned, event };
    const { heap } = this;
    let index = heap.push(entry) - 1;
    while (index > 0) {
      const parent = (index - 1) >> 1;
      const above = heap[parent] as Entry<T>;
      if (before(above, entry)) break;
      heap[index] = above;
      index = parent;
    }
    heap[index] = entry;
  }

  /** The earliest event and its time, taken out; undefined when there is none. */
  pop(): { readonly at: number; readonly event: T } | undefined {
    const { heap } = this;
    const top = heap[0];
    const last = heap.pop();
    if (top === undefined || last === undefined) return undefined;
    if (heap.length > 0) this.sink(last);
    return top;
  }

  private sink(entry: Entry<T>): void {
    const { heap } = this;
    let index = 0;
    for (;;) {
      let child = 2 * index + 1;
      if (child >= heap.length) break;
      const right = heap[child + 1];
      if (right !== undefined && before(right, heap[child] as Entry<T>)) child += 1;
      const below = heap[child] as Entry<T>;
      if (before(entry, below)) break;
      heap[index] = below;
      index = child;
    }
    heap[index] = entry;
  }
}

function before(a: Entry<unknown>, b: Entry<unknown>): boolean {
  return a.at < b.at || (a.at === b.at && a.order < b.order);
}
