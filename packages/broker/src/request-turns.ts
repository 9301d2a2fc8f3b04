/**
 * Requests that wait for their turn. One may cost the loop milliseconds (`ps` of a thousand tasks), and a frame may hold
 * thousands: between them other messages are taken, and other sessions' requests answered.
 *
 * 1. Of one session in order; of the sessions one after the other.
 * 2. It outlives its frame: no request has bytes, which are only lent.
 * 3. Bounded by credit: a session has no more of them than it may have messages unanswered (E3).
 */
import type { Message, SessionId } from '@gryphgen/protocol';

export type RequestMessage = Extract<Message, { kind: 'request' }>;

export class RequestTurns {
  /** The first is next. */
  private readonly lines = new Map<SessionId, RequestMessage[]>();

  get isEmpty(): boolean {
    return this.lines.size === 0;
  }

  push(session: SessionId, message: RequestMessage): void {
    const line = this.lines.get(session);
    if (line === undefined) this.lines.set(session, [message]);
    else line.push(message);
  }

  /** Undefined when none waits. */
  take(): { readonly session: SessionId; readonly message: RequestMessage } | undefined {
    for (const [session, line] of this.lines) {
      const message = line.shift() as RequestMessage;
      this.lines.delete(session);
      if (line.length > 0) this.lines.set(session, line);
      return { session, message };
    }
    return undefined;
  }

  forget(session: SessionId): void {
    this.lines.delete(session);
  }
}
