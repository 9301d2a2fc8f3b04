/**
 * Simulated time: takes the earliest event, sets the time to its time, runs it. Nothing else moves.
 *
 * 1. What an event set going in promises is finished before the next event: one event, one state of the world.
 */
import type { Coverage } from './coverage.ts';
import { EventHeap } from './event-heap.ts';
import { Trace } from './trace.ts';

/** More than any honest run needs: a run that gets there is spinning. */
const maxEvents = 2_000_000;
/** Turns of the microtask queue until every continuation of a resolved promise has run; the longest chain has 4. */
const settlingTurns = 12;

export class World {
  now = 0;
  events = 0;
  readonly coverage: Coverage;
  readonly trace: Trace;
  private readonly heap = new EventHeap<() => void>();
  private unsettled: Promise<unknown>[] = [];

  constructor(coverage: Coverage, keepLines: number) {
    this.coverage = coverage;
    this.trace = new Trace(keepLines, () => this.now);
  }

  at(time: number, run: () => void): void {
    this.heap.push(Math.max(time, this.now), run);
  }

  after(ms: number, run: () => void): void {
    this.at(this.now + ms, run);
  }

  /** Nothing further happens before `promise` and all that waits for it are through. */
  settle(promise: Promise<unknown>): void {
    this.unsettled.push(promise);
  }

  /** Runs events up to `until`, or as long as `goOn` says. Returns whether `goOn` ended it. */
  async run(until: number, goOn: () => boolean): Promise<boolean> {
    while (goOn()) {
      const next = this.heap.pop();
      if (next === undefined || next.at > until) {
        if (next !== undefined) this.heap.push(next.at, next.event);
        this.now = until;
        return false;
      }
      this.now = next.at;
      this.events += 1;
      if (this.events > maxEvents) throw new Error(`more than ${maxEvents} events in one run`);
      next.event();
      if (this.unsettled.length > 0) await this.settled();
    }
    return true;
  }

  private async settled(): Promise<void> {
    while (this.unsettled.length > 0) {
      const promises = this.unsettled;
      this.unsettled = [];
      await Promise.allSettled(promises);
      for (let turn = 0; turn < settlingTurns; turn += 1) await undefined;
    }
  }
}
