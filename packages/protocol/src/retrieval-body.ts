/** What retrieval is asked: an `ingest` task changes a collection, a `retrieve` task reads. Both end with a result in JSON. */
import { z } from 'zod';
import { artifactRefSchema, containerPath } from './artifact.ts';
import { limits } from './limits.ts';

export const collectionWords = `1 to ${limits.collectionChars} of a-z, 0-9, ".", "_" and "-", a letter or digit first`;

export function isCollectionName(name: string): boolean {
  return name.length <= limits.collectionChars && /^[a-z0-9][a-z0-9._-]*$/.test(name);
}

const collection = z.string().refine(isCollectionName, `expected ${collectionWords}`);
/** Where files came from, by which the sources of a collection are told apart: a file or folder of a machine. */
const source = z.object({
  machine: z
    .string()
    .min(1)
    .max(limits.nameChars)
    .regex(/^[^\n]*$/, 'expected no line end'),
  path: z.string().min(1).max(limits.sourceChars),
});
export type SourceName = z.infer<typeof source>;

export const ingestBodySchema = z.discriminatedUnion('op', [
  /** From now on the source is what its one input holds: what is not in there any more is not answered any more. */
  z.object({
    op: z.literal('sync'),
    collection,
    source,
    inputs: z.array(artifactRefSchema.extend({ to: containerPath })).length(1),
  }),
  /** Without a source: the collection. */
  z.object({ op: z.literal('remove'), collection, source: source.optional() }),
]);
export type IngestBody = z.infer<typeof ingestBodySchema>;

export const retrieveBodySchema = z.discriminatedUnion('op', [
  z.object({
    op: z.literal('query'),
    collection,
    text: z.string().max(limits.queryChars),
    /** Results, at most. */
    count: z.number().int().min(1).max(limits.passages),
    /** `passages`: of a file as many as there are. `files`: of each its best passage, without its text. */
    of: z.enum(['passages', 'files']),
  }),
  /** Collections and their sources. */
  z.object({ op: z.literal('list') }),
]);
export type RetrieveBody = z.infer<typeof retrieveBodySchema>;

/** The label of a worker that has this collection. */
export function collectionLabel(name: string): string {
  return `${collectionPrefix}${name}`;
}
export const collectionPrefix = 'collection/';

const count = z.number().int().min(0);

/** Of `sync` and `remove`. Files; `failed`: the first of them, with the cause. */
export const ingestResultSchema = z.object({
  added: count,
  changed: count,
  unchanged: count,
  removed: count,
  failedFiles: count,
  failed: z.array(z.object({ path: z.string(), cause: z.string() })),
});
export type IngestResult = z.infer<typeof ingestResultSchema>;

const passageSchema = z.object({
  score: z.number(),
  /** Of the file. */
  machine: z.string(),
  source: z.string(),
  /** First and last, from 1. */
  lines: z.tuple([count, count]),
  /** In which lines are counted, where that is not the file: `page 3`, `cell 2`. */
  place: z.string().optional(),
  title: z.string().optional(),
  symbol: z.string().optional(),
  /** As much of it as an answer holds. */
  text: z.string().optional(),
  /** What the score is made of. */
  terms: z.record(z.string(), z.number()),
});
export type Passage = z.infer<typeof passageSchema>;
export const queryResultSchema = z.object({
  results: z.array(passageSchema),
  /** Results, or their texts, are missing: an answer holds no more. */
  cut: z.boolean(),
});
export type QueryResult = z.infer<typeof queryResultSchema>;

export const listResultSchema = z.object({
  collections: z.array(
    z.object({
      name: z.string(),
      passages: count,
      sources: z.array(source.extend({ files: count, failedFiles: count, syncedAt: z.number() })),
    }),
  ),
  cut: z.boolean(),
});
export type ListResult = z.infer<typeof listResultSchema>;
