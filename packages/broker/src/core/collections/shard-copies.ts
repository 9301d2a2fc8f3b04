/**
 * Who has copies of shards, as of what they have them, and whose copy takes the owner's place (E43).
 *
 * 1. As of what something is, its worker says: an owner of its own shard, any other of its copy. One that says to be ahead of its
 *    owner counts for nothing while that is there to know better; else it may have what a broker that was restored does not know.
 * 2. Who has lost what it was known to have (its disk is another, or a backup's) is known by what it says, and by what it does not
 *    say: it has no copy then, and of an owner the record says what it lacks.
 * 3. A copy takes an owner's place when that was removed, or by an admin's order (moving-shards.ts); never because it is away.
 */
import { type HeldShard, limits, type WorkerId } from '@gryphgen/protocol';
import { type Context, decide } from '../context.ts';
import type { BrokerState, Worker } from '../state.ts';
import {
  type Collection,
  collectionSet,
  nextEpoch,
  ownerOf,
  type Shard,
  type ShardCopy,
  type ShardVersion,
} from './collection-book.ts';

/** What a worker says that it has (1, 2). */
export function noteCopies(context: Context, { id, view }: Worker): void {
  const { state } = context;
  const told = view.report?.retrieval?.shards ?? [];
  for (const held of told) {
    const known = state.collections.known.get(held.collection);
    const shard = known?.shards[held.index];
    if (known === undefined || shard === undefined || known.shards.length !== held.of) continue;
    const next = shard.worker === id ? ownVersion(shard, held) : copyVersion(state, shard, id, held);
    if (next !== shard) setShard(context, known, held.index, next);
  }
  // Others may not tell all that they have.
  if (view.report?.retrieval !== undefined && told.length < limits.heldShards) noteUntold(context, id, told);
}

/** Nothing is there of what it was known to have and says nothing of. */
function noteUntold(context: Context, id: WorkerId, told: readonly HeldShard[]): void {
  const { known: all } = context.state.collections;
  for (const name of [...all.keys()]) {
    for (const index of all.get(name)?.shards.keys() ?? []) {
      const known = all.get(name) as Collection;
      const shard = known.shards[index] as Shard;
      const isKnown = (one: ShardCopy) => one.worker === id && one.version > 0;
      if (shard.worker === id ? isLacking(shard, 0) : shard.copies.some(isKnown)) {
        const of = known.shards.length;
        if (told.some((one) => one.collection === name && one.index === index && one.of === of)) continue;
        const none = { worker: id, epoch: shard.epoch, version: 0 };
        const copies = shard.copies.map((one) => (isKnown(one) ? none : one));
        setShard(context, known, index, shard.worker === id ? withLoss(shard) : { ...shard, copies });
      }
    }
  }
}

/** It only grows: an owner whose files are a backup's goes on from what is known, so that a version is never of two contents. */
function ownVersion(shard: Shard, { epoch, version, isCopy }: HeldShard): Shard {
  if (isCopy === true && epoch < shard.epoch) {
    // It has changed nothing yet, and goes on from this.
    const { base } = shard;
    const has = base !== null && (epoch > base.epoch || (epoch === base.epoch && version >= base.version));
    return isLacking(shard, has ? base.version : 0) ? withLoss(shard) : shard;
  }
  if (epoch !== shard.epoch || isCopy === true) return shard;
  if (isLacking(shard, version)) return withLoss(shard);
  return version > shard.version ? { ...shard, version } : shard;
}

/** The owner says to have less than it told of, and the record does not say so yet. */
function isLacking(shard: Shard, version: number): boolean {
  return version < shard.version && shard.lost < shard.version;
}

function withLoss(shard: Shard): Shard {
  return { ...shard, lost: shard.version };
}

function copyVersion(
  state: BrokerState,
  shard: Shard,
  worker: WorkerId,
  { epoch, version, isCopy }: HeldShard,
): Shard {
  const isAhead = version > shard.version && ownerOf(state, shard)?.view.connected === true;
  if (epoch > shard.epoch || (isCopy === true && epoch === shard.epoch && isAhead)) return shard;
  // What it changed as a former owner is no copy, whatever it had before that: it is to be given one.
  const now = isCopy === true ? { worker, epoch, version } : { worker, epoch: shard.epoch, version: 0 };
  const isNews = (one: ShardCopy) =>
    one.worker === worker && (one.epoch !== now.epoch || one.version !== now.version);
  if (!shard.copies.some(isNews)) return shard;
  return { ...shard, copies: shard.copies.map((one) => (isNews(one) ? now : one)) };
}

export function setShard(context: Context, known: Collection, index: number, next: Shard): void {
  decide(
    context,
    collectionSet({ ...known, shards: known.shards.map((one, at) => (at === index ? next : one)) }),
  );
}

/** As many as there are to be, where there are machines for them; one that is too many is no copy any more: first who has none yet. */
export function chooseCopies(context: Context, name: string): void {
  const { state } = context;
  const known = state.collections.known.get(name);
  for (const index of known?.shards.keys() ?? []) {
    const collection = state.collections.known.get(name) as Collection;
    const shard = collection.shards[index] as Shard;
    const there = shard.copies.filter(({ worker }) => worker !== shard.worker && mayHold(state, worker));
    const kept = there
      .toSorted((a, b) => isWhole(b) - isWhole(a) || b.epoch - a.epoch || b.version - a.version)
      .slice(0, collection.replicas);
    const isFull = kept.length === collection.replicas || shard.worker === '';
    const lacking = collection.replicas - kept.length;
    const others = isFull ? [] : newHolders(state, { name, index, shard, kept }).slice(0, lacking);
    if (others.length === 0 && kept.length === shard.copies.length) continue;
    const copies = [...kept, ...others.map((worker) => ({ worker, epoch: shard.epoch, version: 0 }))];
    setShard(context, collection, index, { ...shard, copies });
  }
}

function isWhole({ version }: ShardCopy): number {
  return Number(version > 0);
}

/** It is of the grid, and of no version that knows nothing of copies. */
function mayHold({ workers }: BrokerState, id: WorkerId): boolean {
  const view = workers.get(id)?.view;
  return view !== undefined && (view.report === null || view.report.retrieval !== undefined);
}

interface Wanted {
  readonly name: string;
  readonly index: number;
  readonly shard: Shard;
  readonly kept: readonly ShardCopy[];
}

/**
 * The best first: who has one already (the record may be a backup's), and then who has fewest. Nobody who has been told to do
 * something with one: what it says to have may be let go with that.
 */
function newHolders(state: BrokerState, { name, index, shard, kept }: Wanted): readonly WorkerId[] {
  const { carrying } = state.collections;
  if (carrying.transit(name, index).preparing > 0) return [];
  const busy = new Set(carrying.underWay(name, index).map(({ worker }) => worker));
  const able = [...state.workers.values()].filter(
    ({ id, view: { connected, draining, report } }) =>
      connected &&
      !draining &&
      report?.retrieval !== undefined &&
      report.capabilities.includes('ingest') &&
      id !== shard.worker &&
      !busy.has(id) &&
      kept.every(({ worker }) => worker !== id),
  );
  const loads = new Map(
    able.map(({ id, view }) => {
      const has = view.report?.retrieval?.shards.some(
        (one) =>
          one.collection === name && one.index === index && one.epoch === shard.epoch && one.version > 0,
      );
      return [id, has === true ? -1 : loadOf(state, id)];
    }),
  );
  return able
    .map(({ id }) => id)
    .toSorted((a, b) => (loads.get(a) ?? 0) - (loads.get(b) ?? 0) || (a < b ? -1 : 1));
}

function loadOf({ collections }: BrokerState, id: WorkerId): number {
  let load = 0;
  for (const { shards } of collections.known.values())
    for (const { worker, copies } of shards)
      if (worker === id || copies.some((one) => one.worker === id)) load += 1;
  return load;
}

/** The copy that lacks least, of those that are there; undefined of none. */
export function heirOf(state: BrokerState, { copies }: Shard): ShardCopy | undefined {
  const there = copies.filter(({ worker, version }) => version > 0 && state.workers.has(worker));
  const isHere = ({ worker }: ShardCopy) => Number(state.workers.get(worker)?.view.connected ?? false);
  const [best] = there.toSorted(
    (a, b) => b.epoch - a.epoch || b.version - a.version || isHere(b) - isHere(a),
  );
  return best;
}

/** The shard with this copy as its owner's; the former owner, where it is still of the grid, is to have a copy of that. */
export function promoted(state: BrokerState, shard: Shard, { worker, epoch, version }: ShardCopy): Shard {
  const others = shard.copies.filter((one) => one.worker !== worker);
  const former = ownerOf(state, shard)?.id;
  const next = nextEpoch(state, shard.epoch);
  return {
    ...{ worker, epoch: next, version, base: { epoch, version } },
    lost: lostBy(shard, { epoch, version }),
    copies: former === undefined ? others : [...others, { worker: former, epoch: next, version: 0 }],
  };
}

/** One that takes the place of an owner which has changed nothing takes over what that was known to lack. */
function lostBy(shard: Shard, copy: ShardVersion): number {
  if (lacks(shard, copy)) return Math.max(shard.version, shard.lost, 1);
  return copy.epoch === shard.epoch ? 0 : shard.lost;
}

/** What its owner told of last. One like that which the owner itself began from lacks nothing while that has changed nothing. */
export function lacks({ base, ...shard }: Shard, { epoch, version }: ShardVersion): boolean {
  if (epoch === shard.epoch) return version < shard.version;
  return epoch !== base?.epoch || version < base.version || shard.version > base.version;
}

/** The owner was removed: of each of its shards the best copy takes its place. */
export function promoteHeirs(context: Context, removed: WorkerId): void {
  const { state } = context;
  for (const { name } of [...state.collections.known.values()]) {
    const before = state.collections.known.get(name) as Collection;
    const shards = before.shards.map((shard) => {
      const heir = shard.worker === removed ? heirOf(state, shard) : undefined;
      return heir === undefined ? shard : promoted(state, shard, heir);
    });
    if (shards.some((shard, at) => shard !== before.shards[at]))
      decide(context, collectionSet({ ...before, shards }));
    chooseCopies(context, name);
  }
}
