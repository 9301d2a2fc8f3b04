/**
 * How answers share a connection (E33): each record says of which attempt it is and what it brings, so that many answers
 * that come piece by piece go over one line, and long questions the other way; so do all questions to a slot that is lent, and its answers, which
 * come one after the other (E41). 17 bytes before each: kind, task, attempt, length of what follows.
 *
 * 1. A record's payload has `recordBytes` at most; whoever reads holds no more than one record that is not complete.
 * 2. What makes no sense ends the reading for good: where the next record begins could only be guessed.
 */
import {
  type AttemptNo,
  decodeBody,
  encodeBody,
  type Failure,
  failureCodes,
  type InferResult,
  inferResultIn,
  limits,
  type TaskId,
} from '@gryphgen/protocol';
import { z } from 'zod';
import type { DoorOffer } from '../llama/model-door.ts';

export const recordBytes = 64 * 1024;
const headerBytes = 17;
const kinds = {
  ...{ head: 1, data: 2, end: 3, want: 4, ask: 5, done: 6, leave: 7, over: 8 },
  ...{ door: 9, take: 10, given: 11 },
} as const;
/** In the order of their numbers. */
const overReasons = ['time', 'recalled', 'back', 'ended'] as const;
/** Of HTTP's. */
const contentTypeChars = 256;
/** The system's. */
const socketPathChars = 107;
const pathChars = 4096;
const proofForm = /^[0-9a-f]{64}$/;

export interface AnswerFence {
  readonly task: TaskId;
  readonly attempt: AttemptNo;
}

/** `end` with a failure: the answer is not whole. Bytes are views of what was read. */
export type AnswerRecord = AnswerFence &
  (
    | { readonly kind: 'head'; readonly status: number; readonly contentType: string }
    | { readonly kind: 'data'; readonly bytes: Uint8Array }
    | { readonly kind: 'end'; readonly failure: Failure | null }
    /** The attempt waits for its question, or its slot is lent, and waits for the next. To there: half of what is held of its answer was taken. */
    | { readonly kind: 'want' }
    /** To a slot that is lent and waits: what it is to answer. */
    | { readonly kind: 'ask'; readonly bytes: Uint8Array }
    /** From there: the answer is whole. To one that is taken: all that were answered so far, in sum. */
    | { readonly kind: 'done'; readonly result: InferResult }
    /** To there: nobody takes the answer that is under way. */
    | { readonly kind: 'leave' }
    /** From there: it takes no more questions; those that crossed this are not answered; one that is taken is to be given back. To there: it is given back. */
    | { readonly kind: 'over'; readonly why: OverReason }
    /** From there: where its server is asked, for who is on that machine (E42). */
    | { readonly kind: 'door'; readonly door: DoorOffer }
    /** To there, when it waits: that one would ask its server straight. */
    | { readonly kind: 'take'; readonly proof: string }
    /** From there: so it is. */
    | { readonly kind: 'given' }
  );

/** Why a slot is lent no more: its time is over or its instance is, others wait for it, it was given back, or its attempt has ended. */
export type OverReason = (typeof overReasons)[number];

const headSchema = z.object({
  status: z.number().int().min(100).max(599),
  contentType: z.string().max(contentTypeChars),
});
const endSchema = z.object({
  failure: z.object({ code: z.enum(failureCodes), message: z.string().max(limits.messageChars) }).nullable(),
});

const doorSchema = z.object({
  socketPath: z.string().max(socketPathChars),
  apiKeyFile: z.string().max(pathChars),
  proof: z.string().regex(proofForm),
});

/** In pieces: what is long is not copied. */
export function writeRecord(record: AnswerRecord): readonly Uint8Array[] {
  switch (record.kind) {
    case 'head': {
      const { status, contentType } = record;
      return framed(record, encodeBody({ status, contentType: contentType.slice(0, contentTypeChars) }));
    }
    case 'end':
      return framed(record, encodeBody({ failure: record.failure }));
    case 'want':
    case 'leave':
    case 'given':
      return framed(record, new Uint8Array());
    case 'ask':
      return framed(record, record.bytes);
    case 'done':
      return framed(record, new TextEncoder().encode(JSON.stringify(record.result)));
    case 'over':
      return framed(record, Uint8Array.of(overReasons.indexOf(record.why)));
    case 'door':
      return framed(record, encodeBody({ ...record.door }));
    case 'take':
      return framed(record, Buffer.from(record.proof, 'latin1'));
    case 'data': {
      const pieces: Uint8Array[] = [];
      for (let at = 0; at < record.bytes.length; at += recordBytes)
        pieces.push(...framed(record, record.bytes.subarray(at, at + recordBytes)));
      return pieces;
    }
    default:
      return record satisfies never;
  }
}

function framed({ kind, task, attempt }: AnswerRecord, payload: Uint8Array): readonly Uint8Array[] {
  const header = Buffer.allocUnsafe(headerBytes);
  header.writeUInt8(kinds[kind], 0);
  header.writeDoubleBE(task, 1);
  header.writeUInt32BE(attempt, 9);
  header.writeUInt32BE(payload.length, 13);
  return [header, payload];
}

const malformed = 'malformed';
/** The end of an answer that is whole, which most are. */
const wholeEnd = encodeBody({ failure: null });

type Head = z.infer<typeof headSchema>;

export class RecordReader {
  private rest: Uint8Array = new Uint8Array();
  private broken = false;
  /** Heads come in runs of one. */
  private latest: { readonly bytes: Uint8Array; readonly head: Head } | undefined;

  /** What is complete by now, in order; `malformed` from the first that is none on. */
  *take(bytes: Uint8Array): Generator<AnswerRecord | typeof malformed, void> {
    let from = this.rest.length === 0 ? bytes : Buffer.concat([this.rest, bytes]);
    while (!this.broken && from.length >= headerBytes) {
      const view = new DataView(from.buffer, from.byteOffset, from.byteLength);
      const length = view.getUint32(13);
      if (length > recordBytes) break;
      const end = headerBytes + length;
      if (from.length < end) {
        this.rest = from;
        return;
      }
      const fence = { task: view.getFloat64(1), attempt: view.getUint32(9) };
      const record = this.recordOf(view.getUint8(0), fence, from.subarray(headerBytes, end));
      if (record === undefined) break;
      yield record;
      from = from.subarray(end);
    }
    if (!this.broken && from.length < headerBytes) {
      this.rest = from;
      return;
    }
    this.broken = true;
    this.rest = new Uint8Array();
    yield malformed;
  }

  private recordOf(
    kind: number,
    { task, attempt }: { readonly task: number; readonly attempt: number },
    payload: Uint8Array,
  ): AnswerRecord | undefined {
    if (!Number.isSafeInteger(task) || task < 1 || attempt < 1) return undefined;
    const fence: AnswerFence = { task: task as TaskId, attempt: attempt as AttemptNo };
    if (kind === kinds.data) return { ...fence, kind: 'data', bytes: payload };
    if (kind === kinds.want) return { ...fence, kind: 'want' };
    if (kind === kinds.ask) return { ...fence, kind: 'ask', bytes: payload };
    if (kind === kinds.leave) return { ...fence, kind: 'leave' };
    if (kind === kinds.done) {
      const result = inferResultIn(payload);
      return result && { ...fence, kind: 'done', result };
    }
    if (kind === kinds.over) {
      const why = overReasons[payload[0] ?? overReasons.length];
      return why && { ...fence, kind: 'over', why };
    }
    if (kind === kinds.head) {
      const head = this.headOf(payload);
      return head && { ...fence, kind: 'head', ...head };
    }
    if (kind === kinds.door) {
      const door = doorOf(payload);
      return door && { ...fence, kind: 'door', door };
    }
    if (kind === kinds.take) {
      const proof = Buffer.from(payload).toString('latin1');
      return proofForm.test(proof) ? { ...fence, kind: 'take', proof } : undefined;
    }
    if (kind === kinds.given) return { ...fence, kind: 'given' };
    if (kind !== kinds.end) return undefined;
    const why = endOf(payload);
    return why && { ...fence, kind: 'end', failure: why.failure };
  }

  private headOf(payload: Uint8Array): Head | undefined {
    if (this.latest !== undefined && Buffer.compare(this.latest.bytes, payload) === 0)
      return this.latest.head;
    const read = decodeBody(payload);
    const head = read.ok ? headSchema.safeParse(read.value).data : undefined;
    // A copy: the payload is a view of all that came with it.
    if (head !== undefined) this.latest = { bytes: new Uint8Array(payload), head };
    return head;
  }
}

function doorOf(payload: Uint8Array): DoorOffer | undefined {
  const read = decodeBody(payload);
  return read.ok ? doorSchema.safeParse(read.value).data : undefined;
}

function endOf(payload: Uint8Array): { readonly failure: Failure | null } | undefined {
  if (Buffer.compare(wholeEnd, payload) === 0) return { failure: null };
  const read = decodeBody(payload);
  return read.ok ? endSchema.safeParse(read.value).data : undefined;
}
