/** What is told of a submission that was refused as impossible. */
import { failure, limits, type RefusalId } from '@gryphgen/protocol';
import { type Context, refuse, reply } from '../context.ts';
import { onlyOf } from '../principals/roles.ts';
import type { Session } from '../state.ts';

export function explainRefusal(context: Context, session: Session, id: number, refusal: RefusalId): void {
  const document = context.state.refusals.document(refusal, onlyOf(session, 'explain'));
  if (document !== undefined) {
    reply(context, session.id, id, document);
    return;
  }
  const words = `no refusal ${refusal} is remembered: the broker keeps the last ${limits.explainedRefusals}, until it restarts`;
  refuse(context, session.id, id, failure('rejected.not-found', words));
}
