/** E3 from outside: nobody is granted more than the window beyond what was answered. */
import type { BrokerEvent } from '@gryphgen/broker';
import { limits, type Message } from '@gryphgen/protocol';
import { SimFailure } from './sim-failure.ts';

export class CreditCheck {
  private readonly answered = new Map<string, number>();

  stepped(event: BrokerEvent): void {
    if (event.kind === 'message' && event.message.kind !== 'heartbeat') this.count(event.session);
  }

  sent(message: Message, session: string): void {
    if (message.kind === 'accepted' || message.kind === 'refused') this.count(session);
    if (message.kind !== 'credit') return;
    // The credit for an answer leaves just before the answer.
    const most = (this.answered.get(session) ?? 0) + 1 + limits.creditMessages;
    if (message.total <= most) return;
    const words = `${message.total} messages granted, ${most} would be just`;
    throw new SimFailure('credit follows answers', words);
  }

  private count(session: string): void {
    this.answered.set(session, (this.answered.get(session) ?? 0) + 1);
  }
}
