/** What retrieval is asked: an `ingest` task changes a collection, a `retrieve` task reads. Both end with a result in JSON. */
import { z } from 'zod';
import { artifactDigest, artifactRefSchema, containerPath } from './artifact.ts';
import { principalIdSchema } from './handshake.ts';
import { limits } from './limits.ts';
import { modelName } from './model.ts';

export const collectionWords = `1 to ${limits.collectionChars} of a-z, 0-9, ".", "_" and "-", a letter or digit first`;

export function isCollectionName(name: string): boolean {
  return name.length <= limits.collectionChars && /^[a-z0-9][a-z0-9._-]*$/.test(name);
}

export const collectionName = z.string().refine(isCollectionName, `expected ${collectionWords}`);
const collection = collectionName;
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

const verdicts = ['good', 'used', 'bad'] as const;
export type Verdict = (typeof verdicts)[number];
export function isVerdict(text: string): text is Verdict {
  return (verdicts as readonly string[]).includes(text);
}
/** Who may ask a collection: everybody who may submit, its owner alone, or these beside its owner. Admins always may. */
export const readersSchema = z.union([
  z.enum(['everyone', 'owner']),
  z.array(principalIdSchema).min(1).max(limits.collectionReaders),
]);
export type Readers = z.infer<typeof readersSchema>;

/** What may be taken out of texts before anything of them is kept. What stands first goes first where two overlap. */
export const redactedKinds = ['key', 'token', 'email', 'phone', 'name'] as const;
export type RedactedKind = (typeof redactedKinds)[number];

/** A commit, whose files these are. */
const revision = z.string().regex(/^[0-9a-f]{40,64}$/, 'expected a commit in 40 to 64 hex digits');
const line = z.number().int().min(1).max(limits.sourceLines);

/** By which a collection has vectors: another file under the model's name, or other prefixes, would make others. */
const embedding = z.object({
  model: modelName,
  digest: artifactDigest,
  dimension: z.number().int().min(1).max(limits.dimensions),
});
export type Embedding = z.infer<typeof embedding>;
/** Of 32 bits each, the least significant byte first; one vector after the other. */
const values: z.ZodType<Uint8Array> = z.instanceof(Uint8Array);
const passageId = z.number().int().min(0).max(Number.MAX_SAFE_INTEGER);

export const ingestBodySchema = z.discriminatedUnion('op', [
  /** From now on the source is what its one input holds: what is not in there any more is not answered any more. */
  z.object({
    op: z.literal('sync'),
    collection,
    source,
    inputs: z.array(artifactRefSchema.extend({ to: containerPath })).length(1),
    revision: revision.optional(),
    /** Refused where texts of the collection are kept as they are. */
    redacted: z.literal(true).optional(),
  }),
  /** Without a source: the collection. */
  z.object({ op: z.literal('remove'), collection, source: source.optional() }),
  /** How a file served a query. `machine`: where several have the path. */
  z.object({
    op: z.literal('feedback'),
    collection,
    text: z.string().min(1).max(limits.feedbackChars),
    path: source.shape.path,
    machine: source.shape.machine.optional(),
    lines: z.tuple([line, line]).optional(),
    verdict: z.enum(verdicts),
  }),
  /** Without a version: what was in force before. 0: nothing that was learned. */
  z.object({
    op: z.literal('weights'),
    collection,
    change: z.discriminatedUnion('kind', [
      z.object({ kind: z.literal('learn') }),
      z.object({ kind: z.literal('revert'), version: z.number().int().min(0).optional() }),
    ]),
  }),
  /** What is taken out of texts before anything of them is kept; begins the collection, or finds it without files. */
  z.object({
    op: z.literal('redact'),
    collection,
    kinds: z.array(z.enum(redactedKinds)).min(1).max(redactedKinds.length),
    names: z.array(z.string().min(1).max(limits.redactedNameChars)).max(limits.redactedNames).optional(),
  }),
  /** What is left out stays as it is. */
  z.object({
    op: z.literal('access'),
    collection,
    readers: readersSchema.optional(),
    owner: principalIdSchema.optional(),
  }),
  /** From now on the collection's vectors are by this model. `again`: instead of another, of which all are gone then. */
  z.object({ op: z.literal('embed'), collection, embedding, again: z.boolean().optional() }),
  /** Of these passages, by the collection's model. Those that are gone, or have one, are passed over. */
  z.object({
    op: z.literal('vectors'),
    collection,
    embedding,
    passages: z.array(passageId).min(1).max(limits.vectorsBrought),
    values,
  }),
  /** Everything that has the subject in it is taken out, and looked for in all files of the service. */
  z.object({ op: z.literal('forget'), collection, subject: z.string().max(limits.subjectChars) }),
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
    /** Of `text`, by the collection's model; by another's, or without, words alone are asked. */
    vector: z.object({ digest: artifactDigest, values }).optional(),
  }),
  /** What has no vector yet, as its model is to be shown it; behind the passage `after`. */
  z.object({ op: z.literal('unembedded'), collection, after: passageId }),
  /** Collections and their sources. */
  z.object({ op: z.literal('list') }),
  /** What a collection learned from feedback. */
  z.object({ op: z.literal('weights'), collection }),
  /** The text with what its pseudonyms stand for. */
  z.object({ op: z.literal('reveal'), collection, text: z.string().max(limits.revealChars) }),
]);
export type RetrieveBody = z.infer<typeof retrieveBodySchema>;

/** The label of a worker that has this collection. */
export function collectionLabel(name: string): string {
  return `${collectionPrefix}${name}`;
}
export const collectionPrefix = 'collection/';

const count = z.number().int().min(0);

/** Passages without a vector. */
const vectors = z.object({ embedding, lacking: count });

/** Of `embed`. */
export const embedResultSchema = vectors;
export type EmbedResult = z.infer<typeof vectors>;

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
});
export type Passage = z.infer<typeof passageSchema>;
export const queryResultSchema = z.object({
  results: z.array(passageSchema),
  /** Results, or their texts, are missing: an answer holds no more. */
  cut: z.boolean(),
  /** Words that the query was looked up by, each once; older services do not tell. */
  asked: count.optional(),
  /** Of a collection with vectors: by which `text` is to be embedded. */
  embedding: embedding.optional(),
});
export type QueryResult = z.infer<typeof queryResultSchema>;

/** Of `unembedded`; with no passage there are no more. */
export const unembeddedResultSchema = z.object({
  passages: z.array(z.object({ id: passageId, text: z.string() })),
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
        source.extend({
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
