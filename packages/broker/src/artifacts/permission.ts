/** What is told to who may have a transfer: where, by which grant; or why there is no place for it now. */
import {
  type ArtifactGrantDocument,
  type BesideBroker,
  type DataPlaceDocument,
  type Failure,
  failure,
  type GrantDocument,
  type KeepGrantDocument,
  type PlaceGrantDocument,
  type TaskDocument,
  type TaskId,
  type TransferOp,
} from '@gryphgen/protocol';
import type { BrokerEffect, GrantSubject } from '../core/effects.ts';

type WithoutGate<E> = E extends unknown ? Omit<E, 'gated'> : never;
export type PermitOrder = WithoutGate<Extract<BrokerEffect, { kind: 'grant' | 'keepGrant' | 'artifact' }>>;
type GrantOrder = Extract<PermitOrder, { kind: 'grant' }>;
type ArtifactOrder = Extract<PermitOrder, { kind: 'artifact' }>;

export type Sign = (op: TransferOp, about: GrantSubject) => string;

/** `broker` null: there is nothing beside it now that keeps artifacts and logs. */
export function permission(
  order: PermitOrder,
  sign: Sign,
  broker: BesideBroker | null,
): PlaceGrantDocument | GrantDocument | ArtifactGrantDocument | KeepGrantDocument | Failure {
  switch (order.kind) {
    case 'grant':
      return atWorker(order, sign, broker);
    case 'artifact':
      return anywhere(order, sign, broker);
    case 'keepGrant':
      if (broker !== null) return { grant: sign('keepLogs', { worker: order.worker }), broker };
      return failure('lost.broker', 'what keeps logs beside the broker is not up');
    default:
      return order satisfies never;
  }
}

function anywhere(
  { op, artifact, workers, away }: ArtifactOrder,
  sign: Sign,
  broker: BesideBroker | null,
): ArtifactGrantDocument | Failure {
  if (broker !== null || workers.length > 0)
    return { grant: sign(op, { artifact }), workers, ...(away.length > 0 && { away }), broker };
  const words = 'the store of artifacts beside the broker is not up, and no worker that has it is connected';
  return failure('lost.broker', words);
}

/** One transfer at a worker; of a log also beside the broker. */
function atWorker(
  { op, about, endpoint, dataKey, orElse }: GrantOrder,
  sign: Sign,
  broker: BesideBroker | null,
): PlaceGrantDocument | GrantDocument | Failure {
  const beside = orElse === undefined ? null : broker;
  if (orElse !== undefined && endpoint === '' && beside === null) return orElse;
  const place = { endpoint, dataKey, grant: sign(op, about) };
  if (!('attempt' in about)) return place;
  return { ...place, attempt: about.attempt, ...(beside !== null && { beside }) };
}

/** Where the log of a task is that ended long ago. `kept`: the asker reads what is kept beside the broker, too. */
export function endedLog(
  task: TaskId,
  { id, attempts: attempt, worker, workerName }: TaskDocument,
  place: DataPlaceDocument | undefined,
  kept: boolean,
): Pick<GrantOrder, 'about' | 'endpoint' | 'dataKey' | 'orElse'> | Failure {
  const words = `the log of ${id} is on ${workerName}, which is not connected now`;
  const orElse = failure('lost.worker', words);
  if (place === undefined && !kept) return orElse;
  const about = { task, attempt, worker };
  return { ...(place ?? { endpoint: '', dataKey: '' }), about, ...(kept && { orElse }) };
}
