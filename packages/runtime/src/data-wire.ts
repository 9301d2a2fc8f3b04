/**
 * What is said on a data endpoint: `["GD/1", msgpack]`, one message a frame. Bytes flow from server to client, of an
 * `exec` or `answers` in both directions, of an `image`, a `store` or `keepLogs` to the server, and never beyond what the receiver has granted: totals of bytes, absolute, so repeats are
 * harmless. A client repeats its total while it waits, the server answers `alive`: so each notices the other's end.
 */
import {
  artifactDigest,
  channelId,
  decodeBody,
  encodeBody,
  execOrderSchema,
  type Failure,
  failureCodes,
  imageOrderSchema,
  limits,
  terminalSizeSchema,
} from '@gryphgen/protocol';
import { z } from 'zod';
import { decodeChunk, decodeInput, encodeChunk, encodeInput } from './data-bytes.ts';

export const dataMagic = Buffer.from('GD/1');
export const chunkBytes = 64 * 1024;
/** Bytes under way to one receiver. */
export const windowBytes = 1024 * 1024;
export const keepAliveMs = 5000;
/** The other end has not been heard for this long: it is gone. */
export const silenceMs = 4 * keepAliveMs;
/** Of a `fetch`: 1024 runs. */
const maxRunNumbers = 2048;
export const maxDataFrameBytes = chunkBytes + 1024;

const count = z.number().int().min(0).max(Number.MAX_SAFE_INTEGER);
const bytes: z.ZodType<Uint8Array> = z.instanceof(Uint8Array);

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
  /** Answered by `credit` when the command runs. */
  z.object({
    kind: z.literal('exec'),
    task: count,
    attempt: count,
    grant: z.string().max(2048),
    credit: count,
    order: execOrderSchema,
  }),
  /** Answered by `credit` when the worker takes it. What follows as input is its config, then its layers. */
  z.object({ kind: z.literal('image'), grant: z.string().max(2048), credit: count, order: imageOrderSchema }),
  /** The manifest of an artifact (`runs` null), or chunks of it: first, count, first, count, … */
  z.object({
    kind: z.literal('fetch'),
    artifact: artifactDigest,
    runs: z.array(count).max(maxRunNumbers).nullable(),
    grant: z.string().max(2048),
    credit: count,
  }),
  /**
   * Answered by `credit`. What follows as input is the manifest; then, for the runs that come as output (JSON), their
   * chunks.
   */
  z.object({
    kind: z.literal('store'),
    artifact: artifactDigest,
    manifestBytes: count.max(limits.artifactManifestBytes),
    grant: z.string().max(2048),
    credit: count,
  }),
  /**
   * Answered by `credit`. What calls answer to this channel, as records (answers/answer-records.ts), until the connection
   * ends; what they want of their questions is input, as such records too.
   */
  z.object({ kind: z.literal('answers'), channel: channelId, grant: z.string().max(2048), credit: count }),
  /** Answered by `credit`. What follows as input are logs (kept-logs.ts). */
  z.object({ kind: z.literal('keepLogs'), grant: z.string().max(2048), credit: count }),
  z.object({ kind: z.literal('input'), bytes }),
  z.object({ kind: z.literal('inputEnd') }),
  z.object({ kind: z.literal('resize'), size: terminalSizeSchema }),
  z.object({ kind: z.literal('credit'), total: count }),
  z.object({ kind: z.literal('cancel') }),
]);
const outputNames = ['stdout', 'stderr'] as const;
export type OutputName = (typeof outputNames)[number];
const answerSchema = z.discriminatedUnion('kind', [
  z.object({
    kind: z.literal('chunk'),
    offset: count,
    bytes,
    stream: z.enum(outputNames).optional(),
  }),
  z.object({ kind: z.literal('alive') }),
  z.object({ kind: z.literal('credit'), total: count }),
  z.object({
    kind: z.literal('end'),
    failure: z.object({ code: z.enum(failureCodes), message: z.string().max(4096) }).nullable(),
    exitCode: z.number().int().nullable().optional(),
  }),
]);

export type DataRequest = z.infer<typeof requestSchema>;
export type OpenRequest = Extract<
  DataRequest,
  { kind: 'logs' | 'exec' | 'image' | 'fetch' | 'store' | 'keepLogs' | 'answers' }
>;
/** What only gives: its grant is good until it expires. */
export type ReadRequest = Extract<OpenRequest, { kind: 'logs' | 'fetch' | 'answers' }>;

export function isRead(request: OpenRequest): request is ReadRequest {
  return request.kind === 'logs' || request.kind === 'fetch' || request.kind === 'answers';
}

/** What its peer may not draw out: a person reads as slowly as they like. */
export function isPaced({ kind }: OpenRequest): boolean {
  return kind === 'fetch' || kind === 'store' || kind === 'keepLogs';
}

/** What is more than a source that is read. */
export function takesWords({ kind }: OpenRequest): boolean {
  return kind !== 'logs' && kind !== 'fetch';
}

export function takesInput(request: OpenRequest): boolean {
  return request.kind !== 'exec' || request.order.stdin;
}

export type DataAnswer =
  | {
      readonly kind: 'chunk';
      readonly offset: number;
      readonly bytes: Uint8Array;
      /** Of an `exec`: which of its outputs; with a terminal there is only `stdout`. */
      readonly stream?: OutputName | undefined;
    }
  | { readonly kind: 'alive' }
  /** How many bytes of input may have been sent, in all. */
  | { readonly kind: 'credit'; readonly total: number }
  | ({ readonly kind: 'end' } & TransferEnd);

/** `failure` null: all there was, or all was done. `exitCode` of an `exec` whose command ended, or could not be run (126, 127). */
export interface TransferEnd {
  readonly failure: Failure | null;
  readonly exitCode?: number | null | undefined;
}

export function encodeData(message: DataRequest | DataAnswer): Uint8Array {
  if (message.kind === 'input') return encodeInput(message.bytes);
  if (message.kind === 'chunk' && message.stream === undefined)
    return encodeChunk(message.offset, message.bytes);
  return encodeBody(message);
}

/** Undefined when it makes no sense. Bytes are views of `frame`. */
export function decodeDataRequest(frame: Uint8Array): DataRequest | undefined {
  const bytes = decodeInput(bufferOf(frame));
  if (bytes !== undefined) return { kind: 'input', bytes };
  const read = decodeBody(frame);
  return read.ok ? requestSchema.safeParse(read.value).data : undefined;
}

export function decodeDataAnswer(frame: Uint8Array): DataAnswer | undefined {
  const chunk = decodeChunk(bufferOf(frame));
  if (chunk !== undefined) return { kind: 'chunk', ...chunk };
  const read = decodeBody(frame);
  return read.ok ? answerSchema.safeParse(read.value).data : undefined;
}

function bufferOf(frame: Uint8Array): Buffer {
  return Buffer.isBuffer(frame) ? frame : Buffer.from(frame.buffer, frame.byteOffset, frame.byteLength);
}
