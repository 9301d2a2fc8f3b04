/** What retrieval answers: the results, in JSON, of `ingest` and `retrieve` tasks. */
import { z } from 'zod';
import {
  embeddingSchema,
  passageIdSchema,
  readersSchema,
  redactedKinds,
  sourceSchema,
  statisticsSchema,
  tieSchema,
} from './retrieval-body.ts';

const count = z.number().int().min(0);

/** Passages without a vector. */
const vectors = z.object({ embedding: embeddingSchema, lacking: count });

/** Of `embed`. */
export const embedResultSchema = vectors;
export type EmbedResult = z.infer<typeof vectors>;

/** Of `copy` and `follow`: of which change by which owner it is. */
export interface CopyResult {
  readonly epoch: number;
  readonly version: number;
}

/** Of `vectors`. */
export const vectorsResultSchema = z.object({ kept: count });

/** Of `sync` and `remove`. Files; `failed`: the first of them, with the cause. `vectors`: of a collection that has them. */
export const ingestResultSchema = z.object({
  added: count,
  changed: count,
  unchanged: count,
  removed: count,
  failedFiles: count,
  failed: z.array(z.object({ path: z.string(), cause: z.string() })),
  vectors: vectors.optional(),
});
export type IngestResult = z.infer<typeof ingestResultSchema>;

/** How a passage is named by the query as a whole (2: exactly, 1: loosely, 0: not), its score, and its tie. */
const orderSchema = z.tuple([z.number().int().min(0).max(2), z.number(), tieSchema]);
export type PassageOrder = z.infer<typeof orderSchema>;

/** One that stands beside a passage that was found, in the same file (and page, or cell). */
const neighbourSchema = z.object({
  lines: z.tuple([count, count]),
  title: z.string().optional(),
  text: z.string(),
});
export type Neighbour = z.infer<typeof neighbourSchema>;

const passageSchema = z.object({
  score: z.number(),
  /** Of the file. */
  machine: z.string(),
  source: z.string(),
  /** First and last, from 1. */
  lines: z.tuple([count, count]),
  /** In which lines are counted, where that is not the file: `page 3`, `cell 2`. */
  place: z.string().optional(),
  /** Of the repository, where it is from one. */
  revision: z.string().optional(),
  title: z.string().optional(),
  symbol: z.string().optional(),
  /** As much of it as an answer holds. */
  text: z.string().optional(),
  /** What the score is made of. */
  terms: z.record(z.string(), z.number()),
  /** How the query names it as a whole, as it is written or in another writing: it comes before what is not, in any ranking. */
  named: z.enum(['exactly', 'loosely']).optional(),
  /** Those before it and after it that were asked for, in the order of the file; none that is a result itself. */
  around: z.array(neighbourSchema).optional(),
  /** Among passages of other shards: how it is named, the score, the tie. */
  order: orderSchema.optional(),
});
export type Passage = z.infer<typeof passageSchema>;
export const queryResultSchema = z.object({
  results: z.array(passageSchema),
  /** Results, or their texts, are missing: an answer holds no more. */
  cut: z.boolean(),
  /** Results are missing, and not only texts. */
  more: z.literal(true).optional(),
  /** They are of the files that were asked for. */
  chosen: z.literal(true).optional(),
  /** Words that the query was looked up by, each once; older services do not tell. */
  asked: count.optional(),
  /** Of a collection with vectors: by which `text` is to be embedded. */
  embedding: embeddingSchema.optional(),
  /** By a copy that is behind its shard: of which change it is, and of which the shard. */
  behind: z.object({ version: count, of: count }).optional(),
});
export type QueryResult = z.infer<typeof queryResultSchema>;

/** Of `statistics`. */
export const statisticsResultSchema = z.object({
  statistics: statisticsSchema,
  asked: count,
  embedding: embeddingSchema.optional(),
});
export type StatisticsResult = z.infer<typeof statisticsResultSchema>;

/** Of `candidates`: best first. */
export const candidatesResultSchema = z.object({
  words: z.array(orderSchema),
  meaning: z.array(orderSchema),
});
export type CandidatesResult = z.infer<typeof candidatesResultSchema>;

/** Of `unembedded`; with no passage there are no more. */
export const unembeddedResultSchema = z.object({
  passages: z.array(z.object({ id: passageIdSchema, text: z.string() })),
  /** Of the shard's owner, whose the numbers of passages are. */
  epoch: count.optional(),
});
export type UnembeddedResult = z.infer<typeof unembeddedResultSchema>;

export const listResultSchema = z.object({
  collections: z.array(
    z.object({
      name: z.string(),
      /** Which of how many, of one that is parted; `index` from 0. */
      shard: z.object({ index: count, of: count }).optional(),
      passages: count,
      /** Whose it is; left out where nobody knows, and by older services, which everybody may ask. */
      owner: z.string().optional(),
      readers: readersSchema.optional(),
      vectors: vectors.optional(),
      /** What is taken out of its texts; left out where they are kept as they are. */
      redacts: z.array(z.enum(redactedKinds)).optional(),
      sources: z.array(
        sourceSchema.extend({
          files: count,
          failedFiles: count,
          syncedAt: z.number(),
          revision: z.string().optional(),
        }),
      ),
    }),
  ),
  cut: z.boolean(),
});
export type ListResult = z.infer<typeof listResultSchema>;

/** Of `failed`: as many as an answer holds, of `total`. A path that is too long has its end alone. */
export const failedResultSchema = z.object({
  failed: z.array(z.object({ machine: z.string(), path: z.string(), cause: z.string() })),
  total: count,
});
export type FailedResult = z.infer<typeof failedResultSchema>;

/** Of `access`: as it is from now on. `owner`: null where nobody knows. */
export const accessResultSchema = z.object({ owner: z.string().nullable(), readers: readersSchema });
export type AccessResult = z.infer<typeof accessResultSchema>;

/** Of `redact`: as it is from now on. `names`: how many. */
export const redactResultSchema = z.object({ kinds: z.array(z.enum(redactedKinds)), names: count });
export type RedactResult = z.infer<typeof redactResultSchema>;

/** Of `reveal`. Pseudonyms that it told, and that it knows nothing of. */
export const revealResultSchema = z.object({ text: z.string(), revealed: count, unknown: count });
export type RevealResult = z.infer<typeof revealResultSchema>;

/** Of `feedback` and both `weights`. */
export const weightsResultSchema = z.object({
  /** Words on answers that are kept. */
  feedback: count,
  /** Newest first; the first is in force. Qualities are nDCG@10 of queries that nothing was learned from. */
  versions: z.array(
    z.object({
      version: count,
      /** 0: nothing that was learned counts. */
      strength: z.number(),
      queries: count,
      before: z.number(),
      after: z.number(),
      /** Wall ms. */
      at: z.number(),
      /** The version that it brought back. */
      like: count.optional(),
    }),
  ),
  /** Of this task, if it learned: how the queries are answered without, by what was in force, and by what was learned now. */
  replay: z
    .object({
      queries: count,
      before: z.number(),
      inForce: z.number(),
      after: z.number(),
      promoted: z.boolean(),
    })
    .optional(),
});
export type WeightsResult = z.infer<typeof weightsResultSchema>;

/** Of `forget`. */
export const forgetResultSchema = z.object({
  passages: count,
  /** Files that are gone as a whole: by their names. */
  files: count,
  feedback: count,
  /** The service's files afterwards, each searched byte by byte. */
  searched: z.array(z.object({ file: z.string(), bytes: count, found: count })),
  /** Other collections of the service with passages that have it. */
  elsewhere: z.array(z.object({ collection: z.string(), passages: count })),
});
export type ForgetResult = z.infer<typeof forgetResultSchema>;
