/**
 * Flow control of one direction of a transfer, in bytes counted from its beginning. Totals are absolute: one that is
 * repeated or late changes nothing.
 *
 * 1. At most `windowBytes` are sent and not yet taken: that bounds what the receiver holds.
 * 2. The receiver grants anew when half of a window was taken: a sender that has used up its grant gets another.
 */
import { windowBytes } from './data-wire.ts';

export class SendCredit {
  private total: number;
  private spent = 0;

  constructor(total: number) {
    this.total = total;
  }

  /** Bytes that may be sent now; never negative. */
  get room(): number {
    return Math.max(0, this.total - this.spent);
  }

  grant(total: number): void {
    this.total = Math.max(this.total, total);
  }

  spend(bytes: number): void {
    this.spent += bytes;
  }
}

export class ReceiveWindow {
  private received = 0;
  private taken = 0;
  private granted: number;

  /** `granted`: what the sender may send at first; 0 where nothing is to be sent. */
  constructor(granted = windowBytes) {
    this.granted = granted;
  }

  get total(): number {
    return this.granted;
  }

  /** False: more than was granted. */
  receive(bytes: number): boolean {
    this.received += bytes;
    return this.received <= this.granted;
  }

  /** Returns the total to grant now; undefined while that is not worth a message. */
  take(bytes: number): number | undefined {
    this.taken += bytes;
    const total = this.taken + windowBytes;
    if (total - this.granted < windowBytes / 2) return undefined;
    this.granted = total;
    return total;
  }
}
