/**
 * Copies of shards as a worker's tasks carry them (E43): what the owner leaves, and what another is given.
 *
 * 1. The broker alone has them made and taken, by its word in the lease: a copy is nothing that anybody may ask for.
 */
import { type CopyResult, type Failure, failure, type IngestBody, type ShardHold } from '@gryphgen/protocol';
import type { RetrievalService } from '@gryphgen/retrieval';
import type { CallOrder, Given } from '@gryphgen/worker';

type Carrying = Extract<IngestBody, { op: 'copy' | 'follow' | 'letGo' }>;

interface CarryOrder extends Pick<CallOrder<IngestBody>, 'signal' | 'leave'> {
  readonly shard: ShardHold | undefined;
  readonly given: readonly Given[];
}

export function isCarrying(body: IngestBody): body is Carrying {
  return body.op === 'copy' || body.op === 'follow' || body.op === 'letGo';
}

/** In its turn by itself, so that others are not kept while a copy leaves. `body`: about the unit that the shard is here. */
export async function carried(
  { copies }: RetrievalService,
  body: Carrying,
  { shard, given, signal, leave }: CarryOrder,
): Promise<Partial<CopyResult> | Failure> {
  if (shard?.copies?.byBroker !== true)
    return failure('rejected.forbidden', 'copies of shards are made by the grid itself: "grid rag replicas"');
  switch (body.op) {
    case 'copy': {
      const make = async (folder: string, made: CopyResult) => (await leave(folder)) ?? made;
      return await copies.out(body.collection, shard, body.receivers, make);
    }
    case 'follow': {
      const [copy] = given;
      if (copy === undefined) return failure('internal.bug', 'a copy that is to be taken is not given');
      return await copies.take(body.collection, shard.epoch, copy.path, signal);
    }
    case 'letGo':
      return await copies.letGo(body.collection);
    default:
      return body satisfies never;
  }
}
