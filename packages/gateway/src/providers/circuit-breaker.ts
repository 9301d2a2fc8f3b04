/** Keeps from asking, again and again, what has just failed: after some failures in a row it rests, and then one try is made. */
import type { Clock } from '@gryphgen/runtime';

const maxFailures = 3;
const restMs = 30_000;

export class CircuitBreaker {
  private readonly clock: Clock;
  private failures = 0;
  private restsUntil = 0;
  private isTrying = false;

  constructor(clock: Clock) {
    this.clock = clock;
  }

  /** Undefined: it rests, or is being tried. Else what is told how the try went, once. */
  enter(): ((went: boolean) => void) | undefined {
    const isTrial = this.failures >= maxFailures;
    if (isTrial && (this.isTrying || this.clock.mono() < this.restsUntil)) return undefined;
    if (isTrial) this.isTrying = true;
    return (went) => {
      if (isTrial) this.isTrying = false;
      this.failures = went ? 0 : this.failures + 1;
      if (this.failures >= maxFailures) this.restsUntil = this.clock.mono() + restMs;
    };
  }
}
