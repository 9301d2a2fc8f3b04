/**
 * The collections that the grid knows, and who owns each of their shards (E40). Decisions, all of it: `apply` alone changes it,
 * and keeps the workers' views by it.
 *
 * 1. A shard's epoch only grows, and another owner has a higher one: no two workers ever owned it in one.
 * 2. A worker that was removed stays named as the owner until another is chosen, or its machine is back: by another key, with what it had.
 */
import type { PrincipalId, ShardHold, ShardName, WorkerId } from '@gryphgen/protocol';
import { changeView, shardKey } from '@gryphgen/scheduler';
import { lookAgain } from '../record/apply-workers.ts';
import { type Decision, decided } from '../record/decisions.ts';
import type { BrokerState, Worker } from '../state.ts';

export interface Shard {
  /** Maybe removed. '': nobody ever told. */
  readonly worker: WorkerId | '';
  readonly epoch: number;
}

export interface Collection {
  readonly name: string;
  readonly shards: readonly Shard[];
  /** Wall ms. */
  readonly placedAt: number;
  /** Who had it placed, when it was last without anything in it; '': the broker, which found it on a worker. */
  readonly by: PrincipalId | '';
}

export class CollectionBook {
  readonly known = new Map<string, Collection>();

  shard({ collection, index }: ShardName): Shard | undefined {
    return this.known.get(collection)?.shards[index];
  }

  /** What a lease to this worker says of the task's shard; undefined where it is not, or not any more, the owner. */
  holdOf(name: ShardName | undefined, worker: WorkerId): ShardHold | undefined {
    const shard = name && this.shard(name);
    if (name === undefined || shard?.worker !== worker) return undefined;
    const { shards = [], by = '' } = this.known.get(name.collection) ?? {};
    return { index: name.index, of: shards.length, epoch: shard.epoch, by };
  }

  /** By `shardKey`. */
  ownedBy(worker: WorkerId): ReadonlySet<string> {
    const owned = new Set<string>();
    for (const { name, shards } of this.known.values())
      for (const [index, shard] of shards.entries())
        if (shard.worker === worker) owned.add(shardKey({ collection: name, index }));
    return owned;
  }
}

/** The decision that makes it known as it is. */
export function collectionSet({ name, shards, placedAt, by }: Collection): Decision {
  return [decided.collectionSet, name, shards.map(({ worker, epoch }) => [worker, epoch]), placedAt, by];
}

type CollectionDecision = Extract<
  Decision,
  readonly [typeof decided.collectionSet | typeof decided.collectionForgotten, ...unknown[]]
>;

export function changeCollection(state: BrokerState, decision: CollectionDecision): void {
  const { known } = state.collections;
  const [kind, name] = decision;
  const before = known.get(name)?.shards ?? [];
  if (kind === decided.collectionForgotten) known.delete(name);
  else {
    const [, , shards, placedAt, by] = decision;
    known.set(name, { name, placedAt, by, shards: shards.map(([worker, epoch]) => ({ worker, epoch })) });
  }
  noteOwners(state, [...before, ...(known.get(name)?.shards ?? [])]);
}

/** Undefined while nobody is: its machine was removed, and may come back. */
export function ownerOf(state: BrokerState, { worker }: Shard): Worker | undefined {
  return worker === '' ? undefined : state.workers.get(worker);
}

function noteOwners(state: BrokerState, shards: readonly Shard[]): void {
  for (const worker of new Set(shards.map((shard) => shard.worker))) {
    const owner = worker === '' ? undefined : state.workers.get(worker);
    if (owner !== undefined) changeView(owner.view, { shards: state.collections.ownedBy(owner.id) });
  }
  lookAgain(state);
}
