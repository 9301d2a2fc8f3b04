/**
 * The collections that the grid knows, who owns each of their shards, and who has copies (E40, E43). Decisions, all of it: `apply`
 * alone changes it, and keeps the workers' views by it.
 *
 * 1. A shard's epoch only grows, and another owner has a higher one: no two workers ever owned it in one.
 * 2. A worker that was removed stays named as the owner until another is chosen, or its machine is back: by another key, with what it had.
 * 3. Versions are what workers told: a copy that has its owner's epoch and version lacks nothing that was acknowledged by then.
 */
import {
  mostShardEpoch,
  type PrincipalId,
  type ShardHold,
  type ShardName,
  type WorkerId,
} from '@gryphgen/protocol';
import { changeView, shardKey } from '@gryphgen/scheduler';
import { lookAgain } from '../record/apply-workers.ts';
import { type Decision, decided, type WireShard } from '../record/decisions.ts';
import type { BrokerState, Worker } from '../state.ts';
import { Carrying } from './carriers.ts';

/** As of which change of which owner something is. */
export interface ShardVersion {
  readonly epoch: number;
  readonly version: number;
}

export interface ShardCopy extends ShardVersion {
  readonly worker: WorkerId;
}

export interface Shard extends ShardVersion {
  /** Maybe removed. '': nobody ever told. */
  readonly worker: WorkerId | '';
  /** The copy that its owner was chosen for; null: it began with nothing. */
  readonly base: ShardVersion | null;
  /** The version that its former owner had, or this one once, where what was there to go on from is behind that; 0: it is not. */
  readonly lost: number;
  /** Who is to have it as its owner has, and as of what they have it; version 0: nothing yet. */
  readonly copies: readonly ShardCopy[];
}

export interface Collection {
  readonly name: string;
  readonly shards: readonly Shard[];
  /** Copies that each shard is to have. */
  readonly replicas: number;
  /** Wall ms. */
  readonly placedAt: number;
  /** Who had it placed, when it was last without anything in it; '': the broker, which found it on a worker. */
  readonly by: PrincipalId | '';
}

/** An owner's that begins with nothing. */
export function newShard(worker: WorkerId | '', epoch: number): Shard {
  return { worker, epoch, version: 0, base: null, lost: 0, copies: [] };
}

/** Left to count on from, where the broker's own epoch is of no use any more: it goes by the clock, and will be too large in 2038. */
const epochsToSpare = 1_000_000;

/**
 * Of the next owner: one that nobody had in a time of which a restored broker knows nothing, as its own is (restore.ts). What owners
 * of that time left are then former owners', and no copy of theirs is taken for the next one's.
 */
export function nextEpoch({ epoch }: BrokerState, before: number): number {
  return Math.max(before + 1, Math.min(epoch, mostShardEpoch - epochsToSpare));
}

export class CollectionBook {
  readonly known = new Map<string, Collection>();
  /** Copies that are on their way: derived from tasks. */
  readonly carrying = new Carrying();

  shard({ collection, index }: ShardName): Shard | undefined {
    return this.known.get(collection)?.shards[index];
  }

  /** What a lease to this worker says of the task's shard; undefined where it has nothing to do with it, or not any more. */
  holdOf(name: ShardName | undefined, worker: WorkerId, byBroker: boolean): ShardHold | undefined {
    const shard = name && this.shard(name);
    if (name === undefined || shard === undefined) return undefined;
    const isCopy = name.at === 'copy' || (name.at === 'any' && shard.worker !== worker);
    if (!isCopy && shard.worker !== worker) return undefined;
    const { shards = [], by = '' } = this.known.get(name.collection) ?? {};
    const { epoch, version, base } = shard;
    return { index: name.index, of: shards.length, epoch, by, copies: { version, base, isCopy, byBroker } };
  }

  /** By `shardKey`. */
  heldBy(worker: WorkerId, workers: BrokerState['workers']): ReadonlySet<string> {
    const all = [...this.known.values()];
    return new Set(all.flatMap(({ name, shards }) => keysOf(name, shards, worker, workers)));
  }
}

function keysOf(
  collection: string,
  shards: readonly Shard[],
  worker: WorkerId,
  workers: BrokerState['workers'],
): readonly string[] {
  return shards.flatMap((shard, index) => [
    ...(shard.worker === worker ? [shardKey({ collection, index })] : []),
    ...(answers(shard, worker, workers) ? [shardKey({ collection, index, at: 'any' })] : []),
  ]);
}

/** Whether it is asked about the shard: its owner, who has the same, and, while the owner is away, who has most of it. */
function answers(shard: Shard, worker: WorkerId, workers: BrokerState['workers']): boolean {
  if (shard.worker === worker) return true;
  const copy = shard.copies.find((one) => one.worker === worker);
  if (copy === undefined || copy.version === 0 || copy.epoch !== shard.epoch) return false;
  if (copy.version === shard.version) return true;
  const isHere = (id: WorkerId | '') => id !== '' && workers.get(id)?.view.connected === true;
  return (
    !isHere(shard.worker) &&
    shard.copies.every(
      (one) => !isHere(one.worker) || one.epoch !== shard.epoch || one.version <= copy.version,
    )
  );
}

/** The decision that makes it known as it is. */
export function collectionSet({ name, shards, replicas, placedAt, by }: Collection): Decision {
  const decision = [decided.collectionSet, name, shards.map(wireOf), placedAt, by] as const;
  return replicas === 0 ? decision : [...decision, replicas];
}

function wireOf({ worker, epoch, version, base, lost, copies }: Shard): WireShard {
  if (version === 0 && base === null && lost === 0 && copies.length === 0) return [worker, epoch];
  const from = base === null ? null : ([base.epoch, base.version] as const);
  return [worker, epoch, version, from, lost, copies.map((one) => [one.worker, one.epoch, one.version])];
}

function shardOf([worker, epoch, version = 0, from = null, lost = 0, copies = []]: WireShard): Shard {
  return {
    ...{ worker, epoch, version, lost },
    base: from && { epoch: from[0], version: from[1] },
    copies: copies.map(([id, of, at]) => ({ worker: id, epoch: of, version: at })),
  };
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
    const [, , shards, placedAt, by, replicas = 0] = decision;
    known.set(name, { name, replicas, placedAt, by, shards: shards.map(shardOf) });
  }
  noteHolders(state, name, before);
}

/** Undefined while nobody is: its machine was removed, and may come back. */
export function ownerOf(state: BrokerState, { worker }: Shard): Worker | undefined {
  return worker === '' ? undefined : state.workers.get(worker);
}

/** Somebody who has a copy may have come, or be away: views are made to say who answers now. */
export function lookAtHolders(state: BrokerState): void {
  for (const { name, shards } of state.collections.known.values()) {
    const isAnother = shards.some((shard, index) => {
      const any = shardKey({ collection: name, index, at: 'any' });
      return shard.copies.some(({ worker }) => {
        const view = state.workers.get(worker)?.view;
        return view !== undefined && view.shards.has(any) !== answers(shard, worker, state.workers);
      });
    });
    if (isAnother) noteHolders(state, name, []);
  }
}

/** The views of who has something of it, and of who had (`before`), say what that is now. */
function noteHolders(state: BrokerState, name: string, before: readonly Shard[]): void {
  const { collections, workers } = state;
  const shards = collections.known.get(name)?.shards ?? [];
  const named = [...before, ...shards].flatMap(({ worker, copies }) => [
    worker,
    ...copies.map((one) => one.worker),
  ]);
  let changed = false;
  for (const id of new Set(named)) {
    const view = id === '' ? undefined : workers.get(id)?.view;
    if (view === undefined) continue;
    const others = [...view.shards].filter((key) => !key.startsWith(`${name} `));
    const held = new Set([...others, ...keysOf(name, shards, view.id, workers)]);
    if (held.size === view.shards.size && [...held].every((key) => view.shards.has(key))) continue;
    changeView(view, { shards: held });
    changed = true;
  }
  if (changed) lookAgain(state);
}
