/**
 * A task's two opaque parts as bytes: the envelope, which the broker reads, and the body, which only its executor does.
 * Reading never throws; what is wrong is said in words that name the field.
 */
import type { z } from 'zod';
import { type Failure, failure } from './failure.ts';
import { limits } from './limits.ts';
import { Malformed, MsgpackReader } from './msgpack-reader.ts';
import { writeMsgpack } from './msgpack-writer.ts';
import { type Envelope, envelopeSchema } from './task-spec.ts';

export type Read<T> =
  | { readonly ok: true; readonly value: T }
  | { readonly ok: false; readonly failure: Failure };

export function encodeEnvelope(envelope: Envelope): Uint8Array {
  return writeMsgpack(envelope);
}

export function decodeEnvelope(bytes: Uint8Array): Read<Envelope> {
  const read = decode('envelope', bytes, limits.envelopeBytes);
  if (!read.ok) return read;
  return fitting('envelope', envelopeSchema, read.value);
}

/** A body or an outcome: plain values and bytes, no classes. */
export function encodeBody(value: unknown): Uint8Array {
  return writeMsgpack(value);
}

/** No bytes at all are `undefined`: a task without a body. The schema of the task's kind judges the rest. */
export function decodeBody(bytes: Uint8Array): Read<unknown> {
  return bytes.length === 0 ? { ok: true, value: undefined } : decode('body', bytes, limits.bodyBytes);
}

/** What an executor is given, by the schema of its kind. */
export function readBody<T>(schema: z.ZodType<T>, bytes: Uint8Array): Read<T> {
  const read = decodeBody(bytes);
  return read.ok ? fitting('body', schema, read.value) : read;
}

function fitting<T>(what: string, schema: z.ZodType<T>, value: unknown): Read<T> {
  const parsed = schema.safeParse(value);
  if (parsed.success) return { ok: true, value: parsed.data };
  const issue = parsed.error.issues[0];
  const where = [what, ...(issue?.path ?? [])].map(String).join('.');
  return refused(`${where}: ${issue?.message ?? 'is not valid'}`);
}

function decode(what: string, bytes: Uint8Array, maxBytes: number): Read<unknown> {
  if (bytes.length > maxBytes) return refused(`${what} has ${bytes.length} bytes, at most ${maxBytes}`);
  try {
    const reader = new MsgpackReader(bytes);
    const value = reader.value(what);
    if (!reader.atEnd) return refused(`bytes are left after the ${what}`);
    return { ok: true, value };
  } catch (error) {
    if (error instanceof Malformed) return refused(error.message);
    return { ok: false, failure: failure('internal.bug', `reading a ${what} failed: ${String(error)}`) };
  }
}

function refused(message: string): { readonly ok: false; readonly failure: Failure } {
  return { ok: false, failure: failure('rejected.invalid', message) };
}
