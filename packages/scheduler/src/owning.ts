/** Whether a worker owns the shard that a task is for: one more predicate (predicates.ts). */
import type { ShardName } from '@gryphgen/protocol';
import type { Mode } from './device-fit.ts';
import type { Shape } from './shape.ts';
import type { WorkerView } from './worker-view.ts';

/** As a worker's view has it. */
export function shardKey({ collection, index }: ShardName): string {
  return `${collection} ${index}`;
}

/** Of a task for no shard: everywhere. */
export function ownsShard({ shard }: Shape, { shards }: WorkerView): boolean {
  return shard === undefined || shards.has(shardKey(shard));
}

/** An owner may change: nobody is wrong for ever. */
export const owning = {
  concerns: ({ shard }: Shape): boolean => shard !== undefined,
  lack: (shape: Shape, view: WorkerView, _report: unknown, mode: Mode): number =>
    mode === 'ever' || ownsShard(shape, view) ? 0 : 1,
  reasons: ({ shard }: Shape): readonly string[] => [
    `does not own shard ${(shard?.index ?? 0) + 1} of ${shard?.collection ?? ''}`,
  ],
};
