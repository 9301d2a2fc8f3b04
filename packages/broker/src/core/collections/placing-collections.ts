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
  type CollectionDocument,
  type Envelope,
  type Failure,
  failure,
  limits,
  nearestOf,
  type PrincipalId,
  type RequestArgs,
  shardsLabel,
  shardsOfLabels,
  type WorkerId,
} from '@gryphgen/protocol';
import { type Context, decide, refuse, reply } from '../context.ts';
import { decided } from '../record/decisions.ts';
import type { BrokerState, Session, Worker } from '../state.ts';
import { type Collection, collectionSet, ownerOf, type Shard } from './collection-book.ts';

type Place = RequestArgs<'placeCollection'>;

export type CollectionOrder =
  | { readonly op: 'collections'; readonly args: RequestArgs<'collections'> }
  | { readonly op: 'placeCollection'; readonly args: Place };

export function onCollections(context: Context, session: Session, id: number, order: CollectionOrder): void {
  const { state } = context;
  if (order.op === 'placeCollection') {
    place(context, session, id, order.args);
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
  const shards = known === undefined ? begun(state, order) : owned(state, known, order);
  if ('code' in shards) {
    refuse(context, session.id, id, shards);
    return;
  }
  const by = placedBy(state, known, session);
  if (shards !== known?.shards || by !== known.by) {
    if (known === undefined) makeRoom(context);
    const placedAt = known?.placedAt ?? now.wall;
    decide(context, collectionSet({ name: order.name, shards, placedAt, by }));
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

/** Asked again in a stall: nothing would change. */
export function isPlaced(state: BrokerState, { name, shards }: Place): boolean {
  const known = state.collections.known.get(name);
  if (known === undefined || known.shards.some((shard) => isLost(state, shard))) return false;
  return shards === undefined || shards === known.shards.length;
}

/** What it is found to have, by its labels (2). */
export function adoptCollections(context: Context, { id, view }: Worker): void {
  const { state, now } = context;
  if (view.report === null || state.journalStalled) return;
  for (const [name, { of, held }] of shardsOfLabels(view.report.labels)) {
    const known = state.collections.known.get(name);
    if (known === undefined && state.collections.known.size >= limits.collections) continue;
    const before: readonly Shard[] =
      known?.shards.length === of ? known.shards : Array.from({ length: of }, () => nobodys);
    const shards = before.map((shard, index) => {
      const own = held.find((one) => one.index === index);
      if (own === undefined || own.epoch < shard.epoch) return shard;
      return own.epoch > shard.epoch || isLost(state, shard) ? { worker: id, epoch: own.epoch } : shard;
    });
    // Of another number of shards the one that was decided later counts.
    const isOlder =
      known !== undefined && known.shards.length !== of && newest(known.shards) >= newest(shards);
    if (isOlder || shards.every((shard, index) => shard === known?.shards[index])) continue;
    decide(
      context,
      collectionSet({ name, shards, placedAt: known?.placedAt ?? now.wall, by: known?.by ?? '' }),
    );
  }
}

const nobodys: Shard = { worker: '', epoch: 0 };

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
  return 'code' in owners ? owners : owners.map((worker) => ({ worker, epoch: 1 }));
}

/** As they are, where nothing is to be done. */
function owned(state: BrokerState, known: Collection, { name, shards }: Place): readonly Shard[] | Failure {
  const has = known.shards.length;
  const epoch = newest(known.shards) + 1;
  if ((shards ?? has) !== has) {
    if (!isEmpty(state, known))
      return failure(
        'rejected.state',
        `${name} has ${has === 1 ? 'one shard' : `${has} shards`}, and is parted into ${shards} only when nothing is in it: "grid rag rm ${name}" first, with its machines connected`,
      );
    const owners = chosen(state, name, shards ?? 1);
    return 'code' in owners ? owners : owners.map((worker) => ({ worker, epoch }));
  }
  const lost = known.shards.filter((shard) => isLost(state, shard)).length;
  if (lost === 0) return known.shards;
  const owners = chosen(state, name, lost, has);
  if ('code' in owners) return owners;
  const next = owners[Symbol.iterator]();
  return known.shards.map((shard) =>
    isLost(state, shard) ? { worker: next.next().value as WorkerId, epoch: shard.epoch + 1 } : shard,
  );
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

/** By the word of all its owners, which are here to give it; and nothing for it is under way. */
function isEmpty(state: BrokerState, { name, shards }: Collection): boolean {
  const isBare = (shard: Shard): boolean => {
    const view = ownerOf(state, shard)?.view;
    return view?.connected === true && !shardsOfLabels(view.report?.labels ?? {}).has(name);
  };
  if (!shards.every(isBare)) return false;
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

/** Why a task for a shard waits; undefined of others. */
export function shardWords(state: BrokerState, { shard: asked }: Envelope): string | undefined {
  if (asked === undefined) return undefined;
  const { collection: name, index } = asked;
  const collection = state.collections.known.get(name);
  const which = (collection?.shards.length ?? 1) === 1 ? name : `shard ${index + 1} of ${name}`;
  const shard = collection?.shards[index];
  if (collection === undefined) {
    const [near] = nearestOf(name, [...state.collections.known.keys()], 1);
    const meant = near === undefined ? '' : `; there is ${near}`;
    return `waits: no collection ${name} is known${meant}`;
  }
  if (shard === undefined) return `waits: ${name} has no shard ${index + 1}`;
  const view = ownerOf(state, shard)?.view;
  if (view === undefined)
    return `waits: ${which} has no owner, whose machine was removed: "grid rag add" gives it another`;
  const held = `waits: ${which} is held by ${view.name} (owner epoch ${shard.epoch})`;
  if (view.connected) return `${held}, and is changed nowhere else`;
  return `${held}, which is not connected: nothing of it is begun elsewhere`;
}

function documentOf(state: BrokerState, { name, placedAt, shards }: Collection): CollectionDocument {
  return {
    name,
    placedAt,
    shards: shards.map((shard) => {
      const view = ownerOf(state, shard)?.view;
      const { name: workerName = '', id: worker = '', connected = false } = view ?? {};
      return { worker, workerName, epoch: shard.epoch, connected };
    }),
  };
}
