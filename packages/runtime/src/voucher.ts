/**
 * What the grid's key says of its broker (E29): which keys that has, and where it is found. Whoever knows the grid's key believes
 * it, whoever brings it: `base64url(JSON).base64url(signature)`.
 *
 * 1. Of two the one with the higher serial holds: the second of its making (Unix time), or one more than the last.
 */
import { limits } from '@gryphgen/protocol';
import { z } from 'zod';
import { isEndpoint } from './config.ts';
import { parseJson } from './json.ts';
import { curveKeySchema, gridIdOf, type Identity, publicKeySchema, verifySignature } from './keys.ts';

const magic = 'GG-VOUCHER\0';

const voucherSchema = z.object({
  grid: z.string().max(64),
  serial: z.number().int().min(1).max(Number.MAX_SAFE_INTEGER),
  /** Signs grants. */
  brokerKey: publicKeySchema,
  brokerCurveKey: curveKeySchema,
  /** Where others find it; empty: where they have found it. */
  brokers: z.array(z.string().refine(isEndpoint)).max(limits.brokers),
});
export type Voucher = Readonly<z.infer<typeof voucherSchema>>;
/** As it is signed: the grid is the signer's. */
export interface VoucherText extends Omit<Voucher, 'grid' | 'brokers'> {
  readonly brokers: readonly string[];
}

/** `signer` is the grid's key. */
export function signVoucher(signer: Identity, voucher: VoucherText): string {
  const text = JSON.stringify({ grid: gridIdOf(signer.key), ...voucher });
  return `${Buffer.from(text).toString('base64url')}.${signer.sign(Buffer.from(magic + text))}`;
}

/** Undefined when this key has not signed it. */
export function readVoucher(token: string, gridKey: string): Voucher | undefined {
  const [payload, signature, ...more] = token.length > limits.voucherChars ? [] : token.split('.');
  if (payload === undefined || signature === undefined || more.length > 0) return undefined;
  const text = Buffer.from(payload, 'base64url').toString();
  if (!verifySignature(gridKey, Buffer.from(magic + text), signature)) return undefined;
  const parsed = voucherSchema.safeParse(parseJson(text));
  return parsed.success && parsed.data.grid === gridIdOf(gridKey) ? parsed.data : undefined;
}

/** The serial of the one that follows. */
export function serialAfter(last: number, wallMs: number): number {
  return Math.max(last + 1, Math.floor(wallMs / 1000));
}
