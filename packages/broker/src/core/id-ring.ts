/**
 * The last `capacity` ids, oldest out first. (Taking the first key of a Map instead costs a walk over the entries
 * deleted before it: it was half of a task's cost.)
 */
import type { TaskId } from '@gryphgen/protocol';

export class IdRing {
  private readonly slots: TaskId[] = [];
  private readonly capacity: number;
  private next = 0;

  constructor(capacity: number) {
    this.capacity = capacity;
  }

  /** Returns the id that had to go, if the ring was full. */
  push(id: TaskId): TaskId | undefined {
    const gone = this.slots[this.next];
    this.slots[this.next] = id;
    this.next = (this.next + 1) % this.capacity;
    return gone;
  }
}
