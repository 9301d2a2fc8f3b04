/** E3 from outside: nobody is granted more than the window beyond what was taken up. */
import type { BrokerEvent } from '@gryphgen/broker';
import { limits, type Message } from '@gryphgen/protocol';
import { SimFailure } from './sim-failure.ts';

export class CreditCheck {
  private readonly taken = new Map<string, number>();

  stepped(event: BrokerEvent): void {
    if (event.kind === 'submit' || (event.kind === 'message' && event.message.kind !== 'heartbeat')) {
      this.taken.set(event.session, (this.taken.get(event.session) ?? 0) + 1);
    }
  }

  sent(message: Message, session: string): void {
    if (message.kind !== 'credit') return;
    const most = (this.taken.get(session) ?? 0) + limits.creditMessages;
    if (message.total <= most) return;
    const words = `${message.total} messages granted, ${most} would be just`;
    throw new SimFailure('credit follows answers', words);
  }
}
