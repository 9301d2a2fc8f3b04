/**
 * Lets session messages out as the broker has granted (E3), and holds the others, in order and bounded.
 */
import { limits, type Message, type ToBroker } from '@gryphgen/protocol';
import { fitsFrame } from './outbox.ts';

export class CreditGate {
  private readonly dispatch: (message: ToBroker) => boolean;
  private total = 0;
  private used = 0;
  private held: ToBroker[] = [];

  /** `dispatch` answers whether it took the message. */
  constructor(dispatch: (message: ToBroker) => boolean) {
    this.dispatch = dispatch;
  }

  /** A new session: nothing held, nothing used. */
  reset(total: number): void {
    this.total = total;
    this.used = 0;
    this.held = [];
  }

  /** False: not taken. */
  send(message: ToBroker): boolean {
    if (isFree(message)) return this.dispatch(message);
    if (this.held.length === 0 && this.used < this.total) return this.spend(message);
    if (this.held.length >= limits.clientOutstanding || !fitsFrame(message)) return false;
    this.held.push(message);
    return true;
  }

  /** Totals are absolute: one that is repeated or late changes nothing. */
  grant(total: number): void {
    this.total = Math.max(this.total, total);
    let taken = 0;
    for (const message of this.held) {
      if (this.used >= this.total || !this.spend(message)) break;
      taken++;
    }
    if (taken > 0) this.held = this.held.slice(taken);
  }

  private spend(message: ToBroker): boolean {
    const taken = this.dispatch(message);
    if (taken) this.used++;
    return taken;
  }
}

function isFree({ kind }: Message): boolean {
  return kind === 'heartbeat' || kind === 'credit' || kind === 'bye';
}
