/**
 * Copies on their way (E43): by tasks that the broker begins itself, as it does instances (E34). One has the owner leave what it has
 * of a shard as an artifact; others have those who are behind take that. Which there are stands in the tasks.
 *
 * 1. Of one shard one copy is made at a time, and each who is to have it takes one at a time.
 * 2. What changes again and again is copied when it has rested for `restMs`, or `dueMs` after the first change; and nobody is
 *    busy with copies of it for more than a `1 / sparing` of the time.
 * 3. What fails is tried again, ever later. Nothing is lost by it: copies say as of what they are.
 * 4. A copy is let go at the word of its shard's owner alone, who is there: a broker that was restored may know nothing of copies
 *    that are all that is left.
 */
import {
  type ClientId,
  copyOutput,
  type Envelope,
  encodeBody,
  encodeEnvelope,
  type IngestBody,
  limits,
  type PrincipalId,
  type TaskId,
  type WorkerId,
} from '@gryphgen/protocol';
import { type Context, decide } from '../context.ts';
import type { BrokerEvent } from '../events.ts';
import { decided } from '../record/decisions.ts';
import type { BrokerState } from '../state.ts';
import type { Transit } from './carriers.ts';
import { type Collection, lookAtHolders, ownerOf, type Shard, type ShardCopy } from './collection-book.ts';
import { chooseCopies, noteCopies } from './shard-copies.ts';

const restMs = 2000;
const dueMs = 30_000;
const sparing = 10;
/** Each is a place on a machine that others wait for. */
const mostUnderWay = 16;
/** A shard of many gigabytes takes as long over a slow line. */
const carryMs = 6 * 3_600_000;
/** One that waits for so long is begun anew when there is something to carry still. */
const waitMs = 60_000;
/** No client has a name without characters: no submission is this one's. */
const noClient = '' as ClientId;

/** With each tick. */
export function lookAfterCopies(context: Context): void {
  const { state } = context;
  const { known, carrying } = state.collections;
  if (known.size === 0 || state.journalStalled) return;
  carrying.forget(known);
  // What was told while nothing could be journaled, too.
  for (const worker of state.workers.values()) noteCopies(context, worker);
  for (const { name, replicas } of [...known.values()]) if (replicas > 0) chooseCopies(context, name);
  lookAtHolders(state);
  for (const collection of known.values())
    for (const [index, shard] of collection.shards.entries())
      if (shard.copies.length > 0) carry(context, collection, index, shard);
  letGo(context);
}

function carry(context: Context, collection: Collection, index: number, shard: Shard): void {
  const { state } = context;
  const { carrying } = state.collections;
  const transit = carrying.transit(collection.name, index);
  noteSeen(transit, shard, state.watch);
  const behind = shard.copies.filter((copy) => isBehind(shard, copy));
  if (behind.length === 0) {
    Object.assign(transit, { behindSince: null, made: null });
    return;
  }
  transit.behindSince ??= state.watch;
  const here = behind.filter(({ worker }) => state.workers.get(worker)?.view.connected === true);
  const underWay = carrying.underWay(collection.name, index);
  if (here.length === 0 || transit.preparing > 0 || underWay.some(({ worker }) => worker === null)) return;
  const { made } = transit;
  const waiting = here.filter(({ worker }) => transit.receivers.has(worker) && !transit.given.has(worker));
  if (made !== null && waiting.length > 0) {
    for (const { worker } of waiting) {
      if (underWay.some((one) => one.worker === worker) || carrying.count >= mostUnderWay) continue;
      transit.given.add(worker);
      const inputs = [{ ...made, to: '/copy' }];
      prepare(context, collection, index, { op: 'follow', collection: collection.name, inputs }, worker);
    }
    return;
  }
  if (underWay.length > 0 || state.watch < transit.tryAgainAt || !isDue(transit, state.watch)) return;
  if (ownerOf(state, shard)?.view.connected !== true || carrying.count >= mostUnderWay) return;
  const keys = shard.copies.flatMap(({ worker }) => {
    const { copyKey } = state.workers.get(worker)?.view.report?.retrieval ?? {};
    return copyKey === undefined ? [] : [{ worker, copyKey }];
  });
  transit.made = null;
  transit.receivers = new Set(keys.map(({ worker }) => worker));
  prepare(context, collection, index, {
    ...{ op: 'copy', collection: collection.name, outputs: [copyOutput] },
    receivers: keys.map(({ copyKey }) => copyKey).slice(0, limits.shardCopies),
  });
}

function isBehind(shard: Shard, { epoch, version }: ShardCopy): boolean {
  return shard.version > 0 && (epoch !== shard.epoch || version !== shard.version);
}

function noteSeen(transit: Transit, { epoch, version }: Shard, watch: number): void {
  if (transit.epoch === epoch && transit.version === version) return;
  // A former owner's is of no use to anybody, and says nothing of how long the next one takes.
  if (transit.epoch !== epoch) Object.assign(transit, { made: null, tookMs: 0 });
  Object.assign(transit, { epoch, version, seenAt: watch });
}

function isDue({ seenAt, behindSince, madeAt, tookMs }: Transit, watch: number): boolean {
  if (watch - madeAt < tookMs * sparing) return false;
  return watch - seenAt >= restMs || watch - (behindSince ?? watch) >= dueMs;
}

/** Who has a copy that nobody asks any more is told so (4); of a collection that nobody knows nothing is. */
function letGo(context: Context): void {
  const { state } = context;
  const { known, carrying } = state.collections;
  for (const { id, view } of state.workers.values()) {
    if (!view.connected) continue;
    for (const { collection: name, index, of, version, isCopy, isGone } of view.report?.retrieval?.shards ??
      []) {
      const collection = known.get(name);
      const shard = collection?.shards[index];
      if (collection === undefined || shard === undefined || collection.shards.length !== of) continue;
      if (isCopy !== true || isGone === true || version === 0 || shard.worker === id) continue;
      if (shard.copies.some(({ worker }) => worker === id)) continue;
      if (ownerOf(state, shard)?.view.connected !== true || !isTold(state, name, index, shard)) continue;
      const transit = carrying.transit(name, index);
      const isUnderWay = carrying.underWay(name, index).some(({ worker }) => worker === id);
      if (isUnderWay || transit.preparing > 0 || state.watch < transit.tryAgainAt) continue;
      prepare(context, collection, index, { op: 'letGo', collection: name }, id);
    }
  }
}

/** Its owner says that it has it, as the record does: as its own, or as the copy that it goes on from. */
function isTold(state: BrokerState, name: string, index: number, shard: Shard): boolean {
  const { shards = [] } = ownerOf(state, shard)?.view.report?.retrieval ?? {};
  const { epoch } = shard.base ?? {};
  return shards.some(
    (one) =>
      one.collection === name &&
      one.index === index &&
      one.version === shard.version &&
      one.epoch === (one.isCopy === true ? epoch : shard.epoch),
  );
}

/** `worker`: who takes it, or lets it go; without, its owner makes it. */
function prepare(
  context: Context,
  { name, by }: Collection,
  index: number,
  body: IngestBody,
  worker?: WorkerId,
): void {
  const inputs = body.op === 'follow' ? body.inputs.map(({ digest, bytes }) => ({ digest, bytes })) : [];
  const envelope: Envelope = {
    kind: 'ingest',
    name: `${body.op} ${name}`,
    resources: { cpuMilli: 0, memoryBytes: 0, diskBytes: 0 },
    durable: true,
    priority: 0,
    retries: { limit: 0, backoffMs: 1000 },
    timeoutMs: carryMs,
    queueTimeoutMs: waitMs,
    onLinkLost: 'move',
    labels: {},
    constraints: { ...(worker !== undefined && { worker }), labels: {} },
    shard: { collection: name, index, ...(worker !== undefined && { at: 'copy' }) },
    ...(inputs.length > 0 && { inputs }),
  };
  context.state.collections.carrying.transit(name, index).preparing += 1;
  context.effects.push({
    kind: 'prepareCopy',
    collection: name,
    index,
    principal: by,
    envelope: encodeEnvelope(envelope),
    body: encodeBody(body),
  });
}

/** It is stored: a task of whoever began the collection, that no client has submitted. */
export function onCopyPrepared(
  context: Context,
  { collection, index, principal, spec }: Extract<BrokerEvent, { kind: 'copyPrepared' }>,
): void {
  const { state, now } = context;
  const transit = state.collections.carrying.transit(collection, index);
  transit.preparing = Math.max(0, transit.preparing - 1);
  if (!state.collections.known.has(collection)) return;
  if (state.journalStalled || state.tasks.size >= limits.waitingTasks) return;
  if ('code' in spec) throw new Error(`the copy of ${collection} that was begun is none: ${spec.message}`);
  const { envelope, envelopeHash, shapeKey, bodyHash, bodyBytes } = spec;
  if (!state.specs.has(envelopeHash)) decide(context, [decided.envelope, envelopeHash, envelope, shapeKey]);
  const id = state.nextTask as TaskId;
  state.counters.accepted += 1;
  decide(context, [
    ...([
      decided.accepted,
      id,
      envelopeHash,
      bodyHash,
      principal as PrincipalId,
      noClient,
      0,
      0,
      '',
    ] as const),
    now.wall,
    bodyBytes,
  ]);
  state.wake = true;
}
