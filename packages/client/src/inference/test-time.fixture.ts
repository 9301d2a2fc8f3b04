/** A clock of the test's: what is due comes when the test lets so much time pass, and at its end. */
import type { Alarms, Clock } from '@gryphgen/runtime';

export class TestTime implements Alarms, Clock {
  private nowMs = 1000;
  private isOver = false;
  private due: { readonly atMs: number; readonly run: () => void }[] = [];

  mono(): number {
    return this.nowMs;
  }

  wall(): number {
    return this.nowMs;
  }

  after(ms: number, run: () => void): () => void {
    const alarm = { atMs: this.nowMs + ms, run };
    if (this.isOver) setImmediate(run);
    else this.due.push(alarm);
    return () => {
      this.due = this.due.filter((one) => one !== alarm);
    };
  }

  pass(ms: number): void {
    this.nowMs += ms;
    for (;;) {
      const next = this.due.find(({ atMs }) => atMs <= this.nowMs);
      if (next === undefined) return;
      this.due = this.due.filter((one) => one !== next);
      next.run();
    }
  }

  end(): void {
    this.isOver = true;
    this.pass(Number.POSITIVE_INFINITY);
  }
}
