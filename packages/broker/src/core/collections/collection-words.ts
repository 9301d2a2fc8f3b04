/** Collections as the broker tells of them. */
import { type CollectionDocument, type Envelope, nearestOf, type ShardDocument } from '@gryphgen/protocol';
import type { BrokerState } from '../state.ts';
import { type Collection, ownerOf, type Shard } from './collection-book.ts';

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
  if (asked.at === 'copy') return undefined;
  const view = ownerOf(state, shard)?.view;
  if (view === undefined)
    return `waits: ${which} has no owner, whose machine was removed: "grid rag add" gives it another`;
  const held = `waits: ${which} is held by ${view.name} (owner epoch ${shard.epoch})`;
  if (asked.at === 'any')
    return `${held}${view.connected ? '' : ', which is not connected, and by no copy that is'}`;
  if (view.connected) return `${held}, and is changed nowhere else`;
  return `${held}, which is not connected: nothing of it is begun elsewhere`;
}

export function documentOf(
  state: BrokerState,
  { name, replicas, placedAt, shards }: Collection,
): CollectionDocument {
  return { name, placedAt, replicas, shards: shards.map((shard) => shardDocument(state, shard)) };
}

function shardDocument(state: BrokerState, shard: Shard): ShardDocument {
  const { epoch, version, lost } = shard;
  const view = ownerOf(state, shard)?.view;
  const { name: workerName = '', id: worker = '', connected = false } = view ?? {};
  return {
    ...{ worker, workerName, epoch, connected, version },
    ...(lost > 0 && { lost }),
    copies: shard.copies.map((copy) => {
      const at = state.workers.get(copy.worker)?.view;
      return {
        ...{ worker: copy.worker, workerName: at?.name ?? '', connected: at?.connected ?? false },
        version: copy.epoch === epoch ? copy.version : 0,
      };
    }),
  };
}
