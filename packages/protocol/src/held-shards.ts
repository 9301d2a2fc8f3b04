/** What a worker reports of its retrieval service: shards of collections that are there, its own and copies of others' (E43). */
import { z } from 'zod';
import { limits } from './limits.ts';

/** Far more than a collection can change its owner; one more than it is a number yet. */
export const mostShardEpoch = 2 ** 31;

export interface HeldShard {
  readonly collection: string;
  readonly index: number;
  readonly of: number;
  /** Of the owner that changed it last, or whose copy it is. */
  readonly epoch: number;
  /** Of its last change; of a copy, that it has all of (0: none). */
  readonly version: number;
  readonly isCopy?: true | undefined;
  /** Nothing of it is here any more. */
  readonly isGone?: true | undefined;
}

export interface HeldShards {
  /** Its public key, which others seal copies for. */
  readonly copyKey: string;
  /** Those that are here, and then those that it had last. */
  readonly shards: readonly HeldShard[];
}

/** In base64url: what is sealed for a service is of use to nobody else. */
export const copyKeySchema = z.string().regex(/^[\w-]{43}$/, 'expected a key of 43 characters');
const safe = z.number().int().min(0).max(Number.MAX_SAFE_INTEGER);

export const heldShardsSchema: z.ZodType<HeldShards> = z.object({
  copyKey: copyKeySchema,
  shards: z
    .array(
      z.object({
        collection: z.string().min(1).max(limits.collectionChars),
        index: z
          .number()
          .int()
          .min(0)
          .max(limits.shards - 1),
        of: z.number().int().min(1).max(limits.shards),
        epoch: safe.min(1).max(mostShardEpoch),
        version: safe,
        isCopy: z.literal(true).optional(),
        isGone: z.literal(true).optional(),
      }),
    )
    .max(limits.heldShards),
});
