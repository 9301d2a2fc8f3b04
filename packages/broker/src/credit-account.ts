/**
 * What one session may still send (E3): the window, moved on as its messages are answered. Totals count from the
 * session's start.
 */
import { limits } from '@gryphgen/protocol';

/** Granted when this part of the window has been answered: one small message for many. */
const grantPart = 1 / 4;

export class CreditAccount {
  received = 0;
  granted: number = limits.creditMessages;
  private answered = 0;

  /** False when it sent more than it may. */
  receive(count: number): boolean {
    this.received += count;
    return this.received <= this.granted;
  }

  /** The total to grant, when it is time to. Answers beyond what was received change nothing. */
  answer(count: number): number | undefined {
    this.answered = Math.min(this.received, this.answered + count);
    const total = this.answered + limits.creditMessages;
    if (total - this.granted < limits.creditMessages * grantPart) return undefined;
    this.granted = total;
    return total;
  }
}
