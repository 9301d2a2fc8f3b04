/**
 * Who owns the shards of a collection (E40): decided when it begins, and again only for a shard whose owner was removed.
 *
 * 1. An owner that is away stays the owner: what is for its shard waits. Nothing is begun elsewhere beside what it has.
 * 2. What workers are found to have that the broker does not know, or knows by a lower epoch (its journal is that of a
 *    backup), is theirs: of two with the same, the first that said so. So is what they have of the epoch of an owner that was
 *    removed: a machine that is back joined by another key.
 * 3. What is lost of a collection, and begins again, is of whom the collection is (`by`), whoever orders it.
 */
import {
  type Failure,
  failure,
  limits,
  type PrincipalId,
  type RequestArgs,
  shardsLabel,
  shardsOfLabels,
  type WorkerId,
} from '@gryphgen/protocol';
import { type Context, decide, refuse, reply } from '../context.ts';
import { decided } from '../record/decisions.ts';
import type { BrokerState, Session, Worker } from '../state.ts';
import {
  type Collection,
  collectionSet,
  newShard,
  nextEpoch,
  ownerOf,
  type Shard,
} from './collection-book.ts';
import { documentOf } from './collection-words.ts';
import { moveShard } from './moving-shards.ts';
import { chooseCopies, heirOf, noteCopies, promoted } from './shard-copies.ts';

type Place = RequestArgs<'placeCollection'>;

export type CollectionOrder =
  | { readonly op: 'collections'; readonly args: RequestArgs<'collections'> }
  | { readonly op: 'placeCollection'; readonly args: Place }
  | { readonly op: 'moveShard'; readonly args: RequestArgs<'moveShard'> };

export function onCollections(context: Context, session: Session, id: number, order: CollectionOrder): void {
  const { state } = context;
  if (order.op === 'placeCollection') {
    place(context, session, id, order.args);
    return;
  }
  if (order.op === 'moveShard') {
    moveShard(context, session, id, order.args);
    return;
  }
  const { name } = order.args;
  const asked = [...state.collections.known.values()].filter(
    (one) => name === undefined || one.name === name,
  );
  asked.sort((a, b) => (a.name < b.name ? -1 : 1));
  reply(
    context,
    session.id,
    id,
    asked.map((one) => documentOf(state, one)),
  );
}

function place(context: Context, session: Session, id: number, order: Place): void {
  const { state, now } = context;
  for (const worker of state.workers.values()) adoptCollections(context, worker);
  const known = state.collections.known.get(order.name);
  const shards =
    notTheirs(session, known, order) ??
    (known === undefined ? begun(state, order) : owned(state, known, order));
  if ('code' in shards) {
    refuse(context, session.id, id, shards);
    return;
  }
  const replicas = order.replicas ?? known?.replicas ?? 0;
  const by = placedBy(state, known, session);
  if (shards !== known?.shards || replicas !== known.replicas || by !== known.by) {
    if (known === undefined) makeRoom(context);
    const placedAt = known?.placedAt ?? now.wall;
    decide(context, collectionSet({ name: order.name, shards, replicas, placedAt, by }));
    chooseCopies(context, order.name);
  }
  reply(context, session.id, id, documentOf(state, state.collections.known.get(order.name) as Collection));
}

/** Who asks, where nothing is in it; of several shards of which nobody knows whose they are, admins alone begin one again. */
function placedBy(
  state: BrokerState,
  known: Collection | undefined,
  { principal }: Session,
): PrincipalId | '' {
  if (known === undefined) return principal;
  if (state.journalStalled) return known.by;
  if (isEmpty(state, known)) return principal;
  return known.by === '' && known.shards.length === 1 && isLost(state, known.shards[0] ?? nobodys)
    ? principal
    : known.by;
}

/** Copies take room of others' machines: who began it says how many there are, or an admin. */
function notTheirs(
  { role, principal }: Session,
  known: Collection | undefined,
  { name, replicas }: Place,
): Failure | undefined {
  if (replicas === undefined || known === undefined || replicas === known.replicas) return undefined;
  if (role === 'admin' || (known.by !== '' && known.by === principal)) return undefined;
  const whose = known.by === '' ? 'an admin' : `${known.by}, who began it, or an admin`;
  return failure('rejected.forbidden', `how many copies there are of ${name} is for ${whose} to say`);
}

/** Asked again in a stall: nothing would change. */
export function isPlaced(state: BrokerState, { name, shards, replicas }: Place): boolean {
  const known = state.collections.known.get(name);
  if (known === undefined || known.shards.some((shard) => isLost(state, shard))) return false;
  if ((replicas ?? known.replicas) !== known.replicas) return false;
  return shards === undefined || shards === known.shards.length;
}

/** What it is found to have, by its labels (2). */
export function adoptCollections(context: Context, worker: Worker): void {
  const { state, now } = context;
  const { id, view } = worker;
  if (view.report === null || state.journalStalled) return;
  for (const [name, { of, held }] of shardsOfLabels(view.report.labels)) {
    const known = state.collections.known.get(name);
    if (known === undefined && state.collections.known.size >= limits.collections) continue;
    const before: readonly Shard[] =
      known?.shards.length === of ? known.shards : Array.from({ length: of }, () => nobodys);
    const shards = before.map((shard, index) => {
      const own = held.find((one) => one.index === index);
      if (own === undefined || own.epoch < shard.epoch) return shard;
      if (own.epoch > shard.epoch) return newShard(id, own.epoch);
      if (!isLost(state, shard)) return shard;
      return { ...shard, worker: id, copies: shard.copies.filter((one) => one.worker !== id) };
    });
    // Of another number of shards the one that was decided later counts.
    const isOlder =
      known !== undefined && known.shards.length !== of && newest(known.shards) >= newest(shards);
    if (isOlder || shards.every((shard, index) => shard === known?.shards[index])) continue;
    const { replicas = 0, placedAt = now.wall, by = '' } = known ?? {};
    decide(context, collectionSet({ name, shards, replicas, placedAt, by }));
  }
  noteCopies(context, worker);
}

const nobodys = newShard('', 0);

/** Its owner was removed. */
function isLost(state: BrokerState, shard: Shard): boolean {
  return ownerOf(state, shard) === undefined;
}

function newest(shards: readonly Shard[]): number {
  return shards.reduce((most, { epoch }) => Math.max(most, epoch), 0);
}

function begun(state: BrokerState, { name, shards = 1 }: Place): readonly Shard[] | Failure {
  if (state.collections.known.size >= limits.collections && emptyOne(state) === undefined)
    return failure(
      'rejected.limit',
      `this grid knows ${limits.collections} collections, its limit: "grid rag rm" one that nobody needs`,
    );
  const owners = chosen(state, name, shards);
  return 'code' in owners ? owners : owners.map((worker) => newShard(worker, 1));
}

/** As they are, where nothing is to be done. */
function owned(state: BrokerState, known: Collection, { name, shards }: Place): readonly Shard[] | Failure {
  const has = known.shards.length;
  const epoch = nextEpoch(state, newest(known.shards));
  if ((shards ?? has) !== has) {
    if (!isEmpty(state, known))
      return failure(
        'rejected.state',
        `${name} has ${has === 1 ? 'one shard' : `${has} shards`}, and is parted into ${shards} only when nothing is in it: "grid rag rm ${name}" first, with its machines connected`,
      );
    const owners = chosen(state, name, shards ?? 1);
    return 'code' in owners ? owners : owners.map((worker) => newShard(worker, epoch));
  }
  const orphans = known.shards.filter((shard) => isLost(state, shard));
  if (orphans.length === 0) return known.shards;
  const bare = orphans.filter((shard) => heirOf(state, shard) === undefined).length;
  const owners = bare === 0 ? [] : chosen(state, name, bare, has);
  if ('code' in owners) return owners;
  const next = owners[Symbol.iterator]();
  return known.shards.map((shard) => {
    if (!isLost(state, shard)) return shard;
    const heir = heirOf(state, shard);
    if (heir !== undefined) return promoted(state, shard, heir);
    const begun = newShard(next.next().value as WorkerId, nextEpoch(state, shard.epoch));
    return { ...begun, lost: Math.max(shard.version, shard.lost) };
  });
}

/** Who has fewest shards, again and again. `of`: how many the collection has. */
function chosen(state: BrokerState, name: string, count: number, of = count): readonly WorkerId[] | Failure {
  const able = [...state.workers.values()].filter(
    ({ view: { connected, draining, report } }) =>
      connected &&
      !draining &&
      report?.capabilities.includes('ingest') === true &&
      mayPart(report.labels, of),
  );
  if (able.length === 0)
    return failure(
      'unplaceable.no-worker',
      `no machine ${of > 1 ? 'that can hold shards ' : ''}can begin ${name} now: expected one with retrieval that is connected and not draining ("grid worker --retrieval", "grid retrieval")`,
    );
  const loads = new Map(able.map(({ id, view }) => [id, view.shards.size]));
  return Array.from({ length: count }, () => {
    const [[id, load] = ['' as WorkerId, 0]] = [...loads].sort(
      ([a, some], [b, others]) => some - others || (a < b ? -1 : 1),
    );
    loads.set(id, load + 1);
    return id;
  });
}

function mayPart(labels: Readonly<Record<string, string>>, of: number): boolean {
  return of === 1 || labels[shardsLabel.name] === shardsLabel.value;
}

/** By the word of all who have something of it, which are here to give it; and nothing for it is under way. */
function isEmpty(state: BrokerState, { name, shards }: Collection): boolean {
  const isBare = (id: WorkerId | ''): boolean => {
    const view = id === '' ? undefined : state.workers.get(id)?.view;
    const { labels = {}, retrieval } = view?.report ?? {};
    const has = retrieval?.shards.some((one) => one.collection === name && one.isGone !== true) ?? false;
    return view?.connected === true && !has && !shardsOfLabels(labels).has(name);
  };
  if (!shards.flatMap(({ worker, copies }) => [worker, ...copies.map((one) => one.worker)]).every(isBare))
    return false;
  for (const { spec, phase } of state.tasks.values())
    if (phase !== 'ended' && spec.envelope.shard?.collection === name) return false;
  return true;
}

function emptyOne(state: BrokerState): Collection | undefined {
  for (const one of state.collections.known.values()) if (isEmpty(state, one)) return one;
  return undefined;
}

function makeRoom(context: Context): void {
  const { state, now } = context;
  if (state.collections.known.size < limits.collections) return;
  const empty = emptyOne(state);
  if (empty !== undefined) decide(context, [decided.collectionForgotten, empty.name, now.wall]);
}
