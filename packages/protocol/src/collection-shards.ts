/**
 * Collections as the broker knows them (E40): into how many shards each is parted, and which worker owns each.
 *
 * 1. A shard has one owner in an epoch of its own, and every change of owner is a higher epoch: what a former owner still
 *    has is nobody's.
 */
import { z } from 'zod';
import type { PrincipalId } from './ids.ts';
import { limits } from './limits.ts';
import { collectionLabel, collectionName, collectionPrefix } from './retrieval-body.ts';

/** Of which shard a task is, of those that the broker knows; `index` from 0. */
export interface ShardName {
  readonly collection: string;
  readonly index: number;
}

/** What a lease says of a task's shard: the owner's epoch, and how many shards there are. */
export interface ShardHold {
  readonly index: number;
  readonly of: number;
  readonly epoch: number;
  /** Who had the collection placed: what is lost of it begins again as theirs. '': nobody told the broker. */
  readonly by: PrincipalId | '';
}

/** Of the task that was leased: the broker's word, whatever its body says. */
export type LeasedShard = ShardHold & ShardName;

/** Far more than a collection can change its owner; one more than it is a number yet. */
export const mostShardEpoch = 2 ** 31;

const index = z
  .number()
  .int()
  .min(0)
  .max(limits.shards - 1);
export const shardNameSchema: z.ZodType<ShardName> = z.object({ collection: collectionName, index });

export interface ShardDocument {
  /** Its owner; '' where nobody is: the machine was removed from the grid. */
  readonly worker: string;
  readonly workerName: string;
  readonly epoch: number;
  readonly connected: boolean;
}

export interface CollectionDocument {
  readonly name: string;
  /** Wall ms. */
  readonly placedAt: number;
  readonly shards: readonly ShardDocument[];
}

export const collectionRequestSchemas = {
  collections: z.object({ name: collectionName.optional() }),
  /**
   * It is known from now on, each shard with an owner; one that has none any more is given one. `shards`: without, as many as
   * it has, or one. Asked again, nothing changes.
   */
  placeCollection: z.object({
    name: collectionName,
    shards: z.number().int().min(1).max(limits.shards).optional(),
  }),
} as const;

/** On workers that can hold one of several shards of a collection. */
export const shardsLabel = { name: 'retrieval', value: 'shards' } as const;

interface HeldShards {
  readonly of: number;
  readonly held: readonly { readonly index: number; readonly epoch: number }[];
}

/** `here` is what older ones know: the only shard, by the first owner. */
const whole: HeldShards = { of: 1, held: [{ index: 0, epoch: 1 }] };

/** The label of a worker that has these of its shards, such as `1@1,3@2 of 4`. */
export function shardsOnLabel(
  name: string,
  { of, held }: HeldShards,
): readonly [name: string, value: string] {
  const [only] = held;
  const isWhole = of === 1 && only?.epoch === 1;
  const words = held.map(({ index, epoch }) => `${index + 1}@${epoch}`).join(',');
  return [collectionLabel(name), isWhole ? 'here' : `${words} of ${of}`];
}

/** What a worker's labels say that it has, by collection; what makes no sense is passed over. */
export function shardsOfLabels(labels: Readonly<Record<string, string>>): ReadonlyMap<string, HeldShards> {
  const found = new Map<string, HeldShards>();
  for (const [label, value] of Object.entries(labels)) {
    const name = label.startsWith(collectionPrefix) ? label.slice(collectionPrefix.length) : '';
    const held = value === 'here' ? whole : readHeld(value);
    if (collectionName.safeParse(name).success && held !== undefined) found.set(name, held);
  }
  return found;
}

function readHeld(value: string): HeldShards | undefined {
  const [, parts = '', count = ''] = /^(\d+@\d+(?:,\d+@\d+)*) of (\d+)$/.exec(value) ?? [];
  const of = Number(count);
  const held = parts.split(',').map((part) => {
    const [number = 0, epoch = 0] = part.split('@').map(Number);
    return { index: number - 1, epoch };
  });
  const isSound = held.every(
    (one) => one.index >= 0 && one.index < of && one.epoch >= 1 && one.epoch <= mostShardEpoch,
  );
  return of >= 1 && of <= limits.shards && isSound ? { of, held } : undefined;
}
