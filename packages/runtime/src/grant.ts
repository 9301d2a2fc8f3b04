/**
 * A broker's signed permission for one transfer on a data endpoint: `base64url(JSON).base64url(signature)`. Whoever
 * holds it may use it until it expires, but for `logs`, `fetch` and `answers` once; it says for whom it was made, so that the server can log it.
 */
import { artifactDigest, type TaskId, type TransferOp, transferOps } from '@gryphgen/protocol';
import { z } from 'zod';
import { type Identity, verifySignature } from './keys.ts';

/** Longer ones are not ours. */
const maxChars = 2048;
const magic = 'GG-GRANT\0';

const grantSchema = z.object({
  grid: z.string().max(64),
  op: z.enum(transferOps),
  id: z
    .string()
    .regex(/^[\w-]{1,64}$/)
    .optional(),
  task: z.number().int().min(1).max(Number.MAX_SAFE_INTEGER).optional(),
  attempt: z.number().int().min(1).max(Number.MAX_SAFE_INTEGER).optional(),
  worker: z.string().max(64).optional(),
  artifact: artifactDigest.optional(),
  principal: z.string().max(64).optional(),
  by: z.string().max(64).optional(),
  owner: z.string().max(64).optional(),
  /** The broker's wall clock, ms. */
  expiresAt: z.number(),
});

export interface Grant {
  readonly grid: string;
  readonly op: TransferOp;
  /** No two have the same: what may be done only once is known by it. */
  readonly id?: string | undefined;
  /** Of `logs` and `exec`: the attempt it is about. */
  readonly task?: TaskId | number | undefined;
  readonly attempt?: number | undefined;
  /** Of `image` and `answers` the worker it is for; of `keepLogs` and `logs` the worker whose logs they are. Its id. */
  readonly worker?: string | undefined;
  /** Of `fetch` and `store`. */
  readonly artifact?: string | undefined;
  readonly principal?: string | undefined;
  /** The delegate that asked for it, for the principal. */
  readonly by?: string | undefined;
  /** Of `store` by a worker: whose task has left it. */
  readonly owner?: string | undefined;
  readonly expiresAt: number;
}

export function signGrant(identity: Identity, grant: Grant): string {
  const text = JSON.stringify(grant);
  return `${Buffer.from(text).toString('base64url')}.${identity.sign(Buffer.from(magic + text))}`;
}

/** The grant, when the key signed it. Whether it has expired is for who reads it to say. */
export function readGrant(token: string, key: string): Grant | undefined {
  const [payload, signature, ...more] = token.length > maxChars ? [] : token.split('.');
  if (payload === undefined || signature === undefined || more.length > 0) return undefined;
  const text = Buffer.from(payload, 'base64url').toString();
  if (!verifySignature(key, Buffer.from(magic + text), signature)) return undefined;
  // Signed by the broker: what does not parse now is of a newer one.
  const parsed = grantSchema.safeParse(JSON.parse(text));
  return parsed.success ? parsed.data : undefined;
}
