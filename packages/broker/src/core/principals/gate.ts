/** Nothing takes effect whose session's role does not allow it (invariant 8): asked before anything is done with it. */
import { type Failure, failure, isOperation, type Submit } from '@gryphgen/protocol';
import type { Context } from '../context.ts';
import { closeSession, refuse, send } from '../context.ts';
import type { PassedMessage } from '../events.ts';
import type { Session } from '../state.ts';
import { type Deed, mayEver } from './roles.ts';

/** Whether it may go on; what may not has been answered and counted. */
export function passes(
  context: Context,
  session: Session,
  message: PassedMessage | Pick<Submit, 'kind' | 'seq'>,
): boolean {
  const deed = deedOf(message);
  if (deed === undefined || mayEver(session, deed)) return true;
  context.state.counters.forbidden += 1;
  const why = forbidden(session, deed === 'submit' ? 'submit tasks' : deed);
  if (message.kind === 'submit')
    send(context, session.id, { kind: 'refused', seq: message.seq, failure: why }, false);
  else if (message.kind === 'request') refuse(context, session.id, message.id, why);
  // What its role never says: the peer is not what it says it is.
  else closeSession(context, session.id, forbidden(session, `send ${message.kind}`));
  return false;
}

/** Undefined of what everybody may say, and of operations that are none. */
function deedOf(message: PassedMessage | Pick<Submit, 'kind' | 'seq'>): Deed | undefined {
  switch (message.kind) {
    case 'heartbeat':
      return undefined;
    case 'request':
      return isOperation(message.op) ? message.op : undefined;
    case 'submit':
    case 'watch':
      return message.kind;
    case 'started':
    case 'served':
    case 'result':
    case 'report':
      return 'work';
    default:
      return message satisfies never;
  }
}

function forbidden({ role }: Session, what: string): Failure {
  return failure('rejected.forbidden', `role ${role} may not ${what}`);
}
