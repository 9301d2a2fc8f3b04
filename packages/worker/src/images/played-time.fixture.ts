/** A clock that goes on when the test says so, with alarms that ring then. */
import type { Alarms, Clock } from '@gryphgen/runtime';

export class PlayedTime implements Clock, Alarms {
  private now = 0;
  private readonly due = new Map<() => void, number>();

  mono(): number {
    return this.now;
  }

  wall(): number {
    return 1_790_000_000_000 + this.now;
  }

  after(ms: number, run: () => void): () => void {
    const alarm = () => run();
    this.due.set(alarm, this.now + ms);
    return () => this.due.delete(alarm);
  }

  get alarms(): number {
    return this.due.size;
  }

  /** Rings what falls due, in order, and lets what follows from each happen. */
  async pass(ms: number): Promise<void> {
    const end = this.now + ms;
    await settled();
    for (;;) {
      const [next] = [...this.due].filter(([, at]) => at <= end).sort(([, a], [, b]) => a - b);
      if (next === undefined) break;
      const [alarm, at] = next;
      this.due.delete(alarm);
      this.now = Math.max(this.now, at);
      alarm();
      await settled();
    }
    this.now = end;
  }
}

/** All that can happen without time passing has happened. */
function settled(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve));
}
