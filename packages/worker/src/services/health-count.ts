/**
 * From the checks of a service to its health.
 *
 * 1. It is unhealthy after `retries` failures in a row, and not before; what fails in the start period, before it was
 *    ever well, does not count.
 */
import type { Health, HealthCheck } from '@gryphgen/protocol';

/** Until it is well for the first time people wait for it. */
const eagerMs = 1000;

export class HealthCount {
  health: Health = { state: 'starting', words: '' };
  private readonly check: HealthCheck;
  private readonly startedMono: number;
  private failures = 0;

  constructor(check: HealthCheck, startedMono: number) {
    this.check = check;
    this.startedMono = startedMono;
  }

  /** From now to the next check. */
  waitMs(mono: number): number {
    const { intervalMs } = this.check;
    return this.isStarting(mono) ? Math.min(eagerMs, intervalMs) : intervalMs;
  }

  /** `why`: in words, why the check failed; '' when it did not. */
  checked(why: string, mono: number): void {
    const { state } = this.health;
    if (why === '') {
      this.failures = 0;
      this.health = { state: 'healthy', words: '' };
    } else if (this.isStarting(mono)) {
      this.health = { state, words: why };
    } else {
      this.failures += 1;
      const isOver = this.failures >= this.check.retries;
      this.health = { state: isOver ? 'unhealthy' : state, words: why };
    }
  }

  private isStarting(mono: number): boolean {
    return this.health.state === 'starting' && mono - this.startedMono < this.check.startPeriodMs;
  }
}
