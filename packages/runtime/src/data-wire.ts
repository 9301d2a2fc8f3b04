/**
 * What is said on a data endpoint: `["GD/1", msgpack]`, one message a frame. Bytes flow from server to client only, and
 * never beyond what the client has granted: totals of bytes, absolute, so repeats are harmless. A client repeats its
 * total while it waits, the server answers `alive`: so each notices the other's end.
 */
import { decodeBody, encodeBody, type Failure, failureCodes } from '@gryphgen/protocol';
import { z } from 'zod';

export const dataMagic = Buffer.from('GD/1');
export const chunkBytes = 64 * 1024;
/** Bytes under way to one reader. */
export const windowBytes = 1024 * 1024;
export const keepAliveMs = 5000;
/** The other end has not been heard for this long: it is gone. */
export const silenceMs = 4 * keepAliveMs;
export const maxDataFrameBytes = chunkBytes + 1024;

const count = z.number().int().min(0).max(Number.MAX_SAFE_INTEGER);

const requestSchema = z.discriminatedUnion('kind', [
  z.object({
    kind: z.literal('logs'),
    task: count,
    attempt: count,
    /** Byte offset. */
    from: count,
    /** Go on until the attempt has ended and all was sent. */
    follow: z.boolean(),
    grant: z.string().max(2048),
    credit: count,
  }),
  z.object({ kind: z.literal('credit'), total: count }),
  z.object({ kind: z.literal('cancel') }),
]);
const answerSchema = z.discriminatedUnion('kind', [
  z.object({ kind: z.literal('chunk'), offset: count, bytes: z.instanceof(Uint8Array) }),
  z.object({ kind: z.literal('alive') }),
  z.object({
    kind: z.literal('end'),
    failure: z.object({ code: z.enum(failureCodes), message: z.string().max(4096) }).nullable(),
  }),
]);

export type DataRequest = z.infer<typeof requestSchema>;
export type LogsRequest = Extract<DataRequest, { kind: 'logs' }>;
export type DataAnswer =
  | { readonly kind: 'chunk'; readonly offset: number; readonly bytes: Uint8Array }
  | { readonly kind: 'alive' }
  | { readonly kind: 'end'; readonly failure: Failure | null };

export function encodeData(message: DataRequest | DataAnswer): Uint8Array {
  return encodeBody(message);
}

/** Undefined when it makes no sense. Bytes are views of `frame`. */
export function decodeDataRequest(frame: Uint8Array): DataRequest | undefined {
  const read = decodeBody(frame);
  return read.ok ? requestSchema.safeParse(read.value).data : undefined;
}

export function decodeDataAnswer(frame: Uint8Array): DataAnswer | undefined {
  const read = decodeBody(frame);
  return read.ok ? answerSchema.safeParse(read.value).data : undefined;
}
