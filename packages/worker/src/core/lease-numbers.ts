/**
 * Which lease numbers of one session are used up (E9).
 *
 * 1. A number is taken at most once, and none below the floor.
 * 2. Memory is bounded: numbers taken without a gap raise the floor; `maxGaps` numbers beyond a gap end the session.
 */
import { limits } from '@gryphgen/protocol';

/** The broker sends a lost lease again within a few heartbeats and leases no more than this at once. */
const maxGaps = 2 * limits.attemptsPerWorker;

export class LeaseNumbers {
  private floor = 1;
  private readonly taken = new Set<number>();

  /** True when `number` was free and is now taken. */
  take(number: number): boolean {
    if (number < this.floor || this.taken.has(number)) return false;
    this.taken.add(number);
    while (this.taken.delete(this.floor)) this.floor += 1;
    return true;
  }

  /** All below `floor` are settled: nothing of them may start any more. */
  raiseFloor(floor: number): void {
    if (floor <= this.floor) return;
    this.floor = floor;
    for (const number of this.taken) if (number < floor) this.taken.delete(number);
    while (this.taken.delete(this.floor)) this.floor += 1;
  }

  get overflowed(): boolean {
    return this.taken.size > maxGaps;
  }
}
