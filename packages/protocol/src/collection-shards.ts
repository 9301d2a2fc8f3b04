/**
 * Collections as the broker knows them (E40): into how many shards each is parted, and which worker owns each.
 *
 * 1. A shard has one owner in an epoch of its own, and every change of owner is a higher epoch: what a former owner still
 *    has is nobody's.
 */
import { z } from 'zod';
import { mostShardEpoch } from './held-shards.ts';
import type { PrincipalId } from './ids.ts';
import { limits } from './limits.ts';
import { collectionLabel, collectionName, collectionPrefix } from './retrieval-body.ts';

/** Of which shard a task is, of those that the broker knows; `index` from 0. */
export interface ShardName {
  readonly collection: string;
  readonly index: number;
  /**
   * Not for its owner alone: `any` goes to the owner or to a copy that answers as well, `copy` to the copy of the worker that
   * its constraints name (E43). Older brokers pass over it: then it is for the owner.
   */
  readonly at?: 'any' | 'copy' | undefined;
}

/** What a lease says of a task's shard: the owner's epoch, and how many shards there are. */
export interface ShardHold {
  readonly index: number;
  readonly of: number;
  readonly epoch: number;
  /** Who had the collection placed: what is lost of it begins again as theirs. '': nobody told the broker. */
  readonly by: PrincipalId | '';
  /** Older brokers know of no copies. */
  readonly copies?: CopyHold | undefined;
}

export interface CopyHold {
  /** Of the owner's last change that the broker was told of. */
  readonly version: number;
  /** The copy that the owner was chosen for, of a former owner's; null: it began with nothing. */
  readonly base: { readonly epoch: number; readonly version: number } | null;
  /** The lease is for a copy, and not for what the owner has. */
  readonly isCopy: boolean;
  /** The broker itself has begun the task. */
  readonly byBroker: boolean;
}

/** Of the task that was leased: the broker's word, whatever its body says. */
export type LeasedShard = ShardHold & ShardName;

const index = z
  .number()
  .int()
  .min(0)
  .max(limits.shards - 1);
export const shardNameSchema: z.ZodType<ShardName> = z.object({
  collection: collectionName,
  index,
  at: z.enum(['any', 'copy']).optional(),
});

export interface ShardDocument {
  /** Its owner; '' where nobody is: the machine was removed from the grid. */
  readonly worker: string;
  readonly workerName: string;
  readonly epoch: number;
  readonly connected: boolean;
  /** Of its owner's last change that the broker was told of; older brokers tell nothing of copies. */
  readonly version?: number;
  /** What its former owner had, where the copy that took its place was behind. */
  readonly lost?: number;
  readonly copies?: readonly CopyDocument[];
}

export interface CopyDocument {
  readonly worker: string;
  readonly workerName: string;
  readonly connected: boolean;
  /** Of which change it is; 0: it is not there yet. */
  readonly version: number;
}

export interface CollectionDocument {
  readonly name: string;
  /** Copies that each shard is to have; older brokers do not tell. */
  readonly replicas?: number;
  /** Wall ms. */
  readonly placedAt: number;
  readonly shards: readonly ShardDocument[];
}

export const collectionRequestSchemas = {
  collections: z.object({ name: collectionName.optional() }),
  /**
   * It is known from now on, each shard with an owner; one that has none any more is given one. `shards`: without, as many as
   * it has, or one. `replicas`: copies of each shard on other workers. Asked again, nothing changes.
   */
  placeCollection: z.object({
    name: collectionName,
    shards: z.number().int().min(1).max(limits.shards).optional(),
    replicas: z.number().int().min(0).max(limits.shardCopies).optional(),
  }),
  /**
   * A copy of the shard is the owner's from now on: that of the worker `to`, or the best. `epoch`: that of the owner it has now;
   * where it has another already, nothing is done. `anyway`: also a copy that lacks changes, which are lost then.
   */
  moveShard: z.object({
    name: collectionName,
    index,
    epoch: z.number().int().min(0).max(Number.MAX_SAFE_INTEGER),
    to: z.string().min(1).max(limits.nameChars).optional(),
    anyway: z.boolean().optional(),
  }),
} as const;

/** On workers that can hold one of several shards of a collection. */
export const shardsLabel = { name: 'retrieval', value: 'shards' } as const;

interface LabelledShards {
  readonly of: number;
  readonly held: readonly { readonly index: number; readonly epoch: number }[];
}

/** `here` is what older ones know: the only shard, by the first owner. */
const whole: LabelledShards = { of: 1, held: [{ index: 0, epoch: 1 }] };

/** The label of a worker that has these of its shards, such as `1@1,3@2 of 4`. */
export function shardsOnLabel(
  name: string,
  { of, held }: LabelledShards,
): readonly [name: string, value: string] {
  const [only] = held;
  const isWhole = of === 1 && only?.epoch === 1;
  const words = held.map(({ index, epoch }) => `${index + 1}@${epoch}`).join(',');
  return [collectionLabel(name), isWhole ? 'here' : `${words} of ${of}`];
}

/** What a worker's labels say that it has, by collection; what makes no sense is passed over. */
export function shardsOfLabels(
  labels: Readonly<Record<string, string>>,
): ReadonlyMap<string, LabelledShards> {
  const found = new Map<string, LabelledShards>();
  for (const [label, value] of Object.entries(labels)) {
    const name = label.startsWith(collectionPrefix) ? label.slice(collectionPrefix.length) : '';
    const held = value === 'here' ? whole : readHeld(value);
    if (collectionName.safeParse(name).success && held !== undefined) found.set(name, held);
  }
  return found;
}

function readHeld(value: string): LabelledShards | undefined {
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
