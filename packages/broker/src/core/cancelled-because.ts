/** Why a task whose cancel is noted has ended. */
import { type Failure, failure } from '@gryphgen/protocol';
import { isAttended } from './models/attended-tasks.ts';
import type { BrokerState, Task } from './state.ts';

const cancelledByUser: Failure = failure('cancelled.user', 'cancelled on request');
const unattended: Failure = failure('cancelled.user', 'who asked is gone: nobody listens to the answer');

/** An instance is mostly ended by the broker itself; why one was in an earlier epoch is not known. */
export function cancelledBecause(state: BrokerState, task: Task): Failure {
  const {
    id,
    spec: { envelope },
  } = task;
  if (isAttended(task) && !state.clientSessions.has(task.client)) return unattended;
  if (envelope.kind !== 'instance' || envelope.model === undefined) return cancelledByUser;
  const known = state.models.lifeOf(envelope.model).endings.get(id);
  return known ?? failure('cancelled.broker', 'it was unloaded');
}

/** Somebody asks for it, before anybody else did. */
export function noteCancel({ models }: BrokerState, { id, spec: { envelope } }: Task): void {
  if (envelope.kind !== 'instance' || envelope.model === undefined) return;
  const { endings } = models.lifeOf(envelope.model);
  if (!endings.has(id)) endings.set(id, cancelledByUser);
}
