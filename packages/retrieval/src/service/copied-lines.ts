/**
 * Sources of a shard's copy as text, a line each.
 *
 * 1. What a store tells of the same source is the same line in every store: lines are compared, and not what is in them.
 */
import { z } from 'zod';
import type { CopiedSource } from '../store/store.ts';

const bytes = z.base64().transform((text) => new Uint8Array(Buffer.from(text, 'base64')));
const count = z.number().int().min(0);

const source = z.object({
  key: z.string(),
  path: z.string(),
  title: z.string().nullable(),
  revision: z.string().nullable(),
  hash: z.string(),
});
const pseudonyms = z.array(z.object({ name: z.string(), sealed: bytes })).default([]);
const chunk = z.object({
  seq: count,
  startLine: count,
  endLine: count,
  headings: z.array(z.string()),
  symbols: z.array(z.string()),
  text: z.string(),
  place: z.string().optional(),
  vector: z.object({ scale: z.number(), code: bytes }).optional(),
});
const lineSchema = z.discriminatedUnion('kind', [
  z.object({ kind: z.literal('put'), source, pseudonyms, chunks: z.array(chunk) }),
  z.object({ kind: z.literal('fail'), source, pseudonyms, cause: z.string() }),
]);

export function lineOf(copied: CopiedSource): string {
  return JSON.stringify(copied, (_, value: unknown) =>
    value instanceof Uint8Array ? Buffer.from(value).toString('base64') : value,
  );
}

/** Throws what JSON.parse or zod says of one that makes no sense. */
export function readLine(line: string): CopiedSource {
  const read = lineSchema.parse(JSON.parse(line));
  if (read.kind === 'fail') return read;
  const chunks = read.chunks.map(({ place, vector, ...one }) => ({
    ...one,
    ...(place !== undefined && { place }),
    ...(vector !== undefined && { vector }),
  }));
  return { ...read, chunks };
}
