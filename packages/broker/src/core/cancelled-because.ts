/** Why a task whose cancel is noted has ended. */
import { type Failure, failure } from '@gryphgen/protocol';
import type { BrokerState, Task } from './state.ts';

const cancelledByUser: Failure = failure('cancelled.user', 'cancelled on request');

/** An instance is mostly ended by the broker itself; why one was in an earlier epoch is not known. */
export function cancelledBecause({ models }: BrokerState, { id, spec: { envelope } }: Task): Failure {
  if (envelope.kind !== 'instance' || envelope.model === undefined) return cancelledByUser;
  const known = models.lifeOf(envelope.model).endings.get(id);
  return known ?? failure('cancelled.broker', 'it was unloaded');
}

/** Somebody asks for it, before anybody else did. */
export function noteCancel({ models }: BrokerState, { id, spec: { envelope } }: Task): void {
  if (envelope.kind !== 'instance' || envelope.model === undefined) return;
  const { endings } = models.lifeOf(envelope.model);
  if (!endings.has(id)) endings.set(id, cancelledByUser);
}
