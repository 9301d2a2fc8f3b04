/** Whether a worker has the shard that a task is for: one more predicate (predicates.ts). */
import type { ShardName } from '@gryphgen/protocol';
import type { Mode } from './device-fit.ts';
import type { Shape } from './shape.ts';
import type { WorkerView } from './worker-view.ts';

/** As a worker's view has it: of an owner, and with `any` of whoever answers questions about it now. */
export function shardKey({ collection, index, at }: ShardName): string {
  return `${collection} ${index}${at === undefined ? '' : ` ${at}`}`;
}

/** Of a task for no shard everywhere; of one for a copy where its constraints say. */
export function ownsShard({ shard }: Shape, { shards }: WorkerView): boolean {
  return shard === undefined || shard.at === 'copy' || shards.has(shardKey(shard));
}

/** An owner may change: nobody is wrong for ever. */
export const owning = {
  concerns: ({ shard }: Shape): boolean => shard !== undefined,
  lack: (shape: Shape, view: WorkerView, _report: unknown, mode: Mode): number =>
    mode === 'ever' || ownsShard(shape, view) ? 0 : 1,
  reasons: ({ shard }: Shape): readonly string[] => [
    `${shard?.at === 'any' ? 'has no copy that answers for' : 'does not own'} shard ${(shard?.index ?? 0) + 1} of ${shard?.collection ?? ''}`,
  ],
};
