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
export type PermitOrder = WithoutGate<Extract<BrokerEffect, { kind: 'grant' | 'besideGrant' | 'artifact' }>>;
type GrantOrder = Extract<PermitOrder, { kind: 'grant' }>;
type ArtifactOrder = Extract<PermitOrder, { kind: 'artifact' }>;

/** What is beside the broker now. */
export interface Beside {
  readonly place: BesideBroker;
  /** The workers that are connected to the relay there, by id. */
  readonly relayed: ReadonlySet<string>;
}

export type Sign = (op: TransferOp, about: GrantSubject) => string;

/** `beside` null: there is nothing now that keeps artifacts and logs, and relays. */
export function permission(
  order: PermitOrder,
  sign: Sign,
  beside: Beside | null,
): PlaceGrantDocument | GrantDocument | ArtifactGrantDocument | KeepGrantDocument | Failure {
  switch (order.kind) {
    case 'grant':
      return atWorker(order, sign, beside);
    case 'artifact':
      return anywhere(order, sign, beside);
    case 'besideGrant':
      if (beside !== null) return { grant: sign(order.op, { worker: order.worker }), broker: beside.place };
      return failure('lost.broker', 'what keeps logs and relays beside the broker is not up');
    default:
      return order satisfies never;
  }
}

function anywhere(
  { op, artifact, owner, workers, away, connected }: ArtifactOrder,
  sign: Sign,
  beside: Beside | null,
): ArtifactGrantDocument | Failure {
  const relayed = connected.filter((worker) => beside?.relayed.has(worker));
  if (beside !== null || workers.length > 0)
    return {
      grant: sign(op, { artifact, ...(owner && { owner }) }),
      workers,
      ...(away.length > 0 && { away }),
      ...(relayed.length > 0 && { relayed }),
      broker: beside?.place ?? null,
    };
  const words = 'the store of artifacts beside the broker is not up, and no worker that has it is connected';
  return failure('lost.broker', words);
}

/** One transfer at a worker, straight or through the relay; of a log also beside the broker. */
function atWorker(
  { op, about, endpoint, dataKey, kept, orElse }: GrantOrder,
  sign: Sign,
  beside: Beside | null,
): PlaceGrantDocument | GrantDocument | Failure {
  const worker = 'worker' in about ? about.worker : '';
  const relay = beside?.relayed.has(worker) ? { ...beside.place, worker } : undefined;
  const store = kept ? beside?.place : undefined;
  if (endpoint === '' && !relay && !store) return orElse;
  const place = { endpoint, dataKey, grant: sign(op, about), ...(relay && { relay }) };
  if (!('attempt' in about)) return place;
  return { ...place, attempt: about.attempt, ...(store && { beside: store }) };
}

/** Where the log of a task is that ended long ago. `kept`: the asker reads what is kept beside the broker, too. */
export function endedLog(
  task: TaskId,
  { id, attempts: attempt, worker, workerName }: TaskDocument,
  place: DataPlaceDocument | undefined,
  kept: boolean,
): Pick<GrantOrder, 'about' | 'endpoint' | 'dataKey' | 'kept' | 'orElse'> | Failure {
  const words = `the log of ${id} is on ${workerName}, which is not connected now`;
  const orElse = failure('lost.worker', words);
  if (place === undefined && !kept) return orElse;
  const about = { task, attempt, worker };
  return { ...(place ?? { endpoint: '', dataKey: '' }), about, kept, orElse };
}
