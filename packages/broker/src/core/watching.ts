/** Who is told of a task's end beside its submitter (E7). */
import type { Failure, Finished, TaskId, Watch } from '@gryphgen/protocol';
import { failure, isEphemeral, limits } from '@gryphgen/protocol';
import type { Context } from './context.ts';
import { tell } from './context.ts';
import { changedMessage, finishedMessage } from './outcomes.ts';
import { mayWith, onlyOf } from './principals/roles.ts';
import { noOutcome } from './record/apply.ts';
import type { BrokerState, Session } from './state.ts';

export function onWatch(context: Context, session: Session, message: Watch): void {
  const { state } = context;
  for (const id of message.tasks) {
    const found = state.tasks.get(id) ?? state.ended.get(id);
    const task = found !== undefined && mayWith(session, 'watch', found) ? found : undefined;
    if (task !== undefined && task.phase !== 'ended') {
      // The submitter is told of the end anyway; it is listed only for progress.
      if (task.client === session.client && !message.progress) continue;
      // Its turn comes when some of the others have ended: the watch is repeated (E7).
      if (!listWatcher(state, session, id)) continue;
      if (message.progress) tell(context, session.id, id, changedMessage(state, task, task.phase));
      continue;
    }
    if (task !== undefined) tell(context, session.id, id, finishedMessage(task));
    else if (isEphemeral(id)) tell(context, session.id, id, gone(id));
    else if (!state.journalStalled)
      context.effects.push({
        kind: 'lookup',
        session: session.id,
        task: id,
        onlyOf: onlyOf(session, 'watch'),
        answer: { kind: 'finished' },
      });
  }
}

/** False: the session watches as many as it may. */
export function listWatcher(state: BrokerState, session: Session, id: TaskId): boolean {
  if (session.watching.size >= limits.clientOutstanding && !session.watching.has(id)) return false;
  session.watching.add(id);
  const watchers = state.watchers.get(id) ?? new Set();
  watchers.add(session.id);
  state.watchers.set(id, watchers);
  return true;
}

/** An ephemeral task of an earlier epoch, or one that ended too long ago (E18). */
function gone(task: TaskId): Finished {
  const why = failure(
    'lost.broker',
    'the broker restarted while this ephemeral task was under way, or has forgotten it',
  );
  return unknownEnd(task, why);
}

/** What whoever watches a task is told when nothing is known of its end. */
export function unknownEnd(task: TaskId, why: Failure): Finished {
  return {
    kind: 'finished',
    task,
    attempt: 0 as never,
    state: 'failed',
    exitCode: -1,
    failure: why,
    outcome: noOutcome,
  };
}
