/** What retrieval is asked: an `ingest` task changes a collection, a `retrieve` task reads. Both end with a result in JSON. */
import { z } from 'zod';
import { artifactDigest, artifactRefSchema, containerPath } from './artifact.ts';
import { principalIdSchema } from './handshake.ts';
import { copyKeySchema } from './held-shards.ts';
import { limits } from './limits.ts';
import { modelName } from './model.ts';

export const collectionWords = `1 to ${limits.collectionChars} of a-z, 0-9, ".", "_" and "-", a letter or digit first`;

export function isCollectionName(name: string): boolean {
  return name.length <= limits.collectionChars && /^[a-z0-9][a-z0-9._-]*$/.test(name);
}

export const collectionName = z.string().refine(isCollectionName, `expected ${collectionWords}`);
const collection = collectionName;
/** Where files came from, by which the sources of a collection are told apart: a file or folder of a machine. */
export const sourceSchema = z.object({
  machine: z
    .string()
    .min(1)
    .max(limits.nameChars)
    .regex(/^[^\n]*$/, 'expected no line end'),
  path: z.string().min(1).max(limits.sourceChars),
});
export type SourceName = z.infer<typeof sourceSchema>;
const source = sourceSchema;

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

/** What a document of the web is called by its kind: its address may not say it. */
const fileName = z.string().regex(/^[\w][\w.+-]{0,200}$/, 'expected the name of a file, such as page.html');
/** A commit, whose files these are. */
const revision = z.string().regex(/^[0-9a-f]{40,64}$/, 'expected a commit in 40 to 64 hex digits');
const line = z.number().int().min(1).max(limits.sourceLines);

/** By which a collection has vectors: another file under the model's name, or other prefixes, would make others. */
export const embeddingSchema = z.object({
  model: modelName,
  digest: artifactDigest,
  dimension: z.number().int().min(1).max(limits.dimensions),
});
export type Embedding = z.infer<typeof embeddingSchema>;
const embedding = embeddingSchema;
/** Of 32 bits each, the least significant byte first; one vector after the other. */
const values: z.ZodType<Uint8Array> = z.instanceof(Uint8Array);
export const passageIdSchema = z.number().int().min(0).max(Number.MAX_SAFE_INTEGER);
const passageId = passageIdSchema;

/** Of a collection, or of one shard: what the scores of passages for one query come of beside the passages themselves. */
export const statisticsSchema = z.object({
  /** Passages. */
  live: passageId,
  /** Terms in them, by field. */
  lengths: z.array(passageId).length(4),
  /** By term of the query: in how many it is. */
  holding: z.array(z.tuple([z.string(), passageId])).max(limits.queryTerms),
});
export type Statistics = z.infer<typeof statisticsSchema>;
/** Orders passages of one score, alike in every index; among some hundred it names one. */
export const tieSchema = z.number().int().min(0).max(0xffff_ffff);
/** Where a passage stands in a ranking of all shards, from 1. */
const ranks = z.array(z.tuple([tieSchema, z.number().int().min(1)])).max(limits.fusedCandidates);

const pattern = z.string().min(1).max(limits.filePatternChars);
const patterns = z.array(pattern).min(1).max(limits.filePatterns);
/**
 * Files that may be answered, by one of each that is given. In a path `*` and `?` stand for any characters and one of a name, `**`
 * for any folders; one that does not begin with `/` begins at any folder. An extension is without its dot, in any case.
 */
export const chosenFilesSchema = z.object({
  paths: patterns.optional(),
  extensions: patterns.optional(),
  machines: patterns.optional(),
});
export type ChosenFiles = z.infer<typeof chosenFilesSchema>;

/** What a task that copies leaves. */
export const copyOutput = '/out/copy';

export const ingestBodySchema = z.discriminatedUnion('op', [
  /** From now on the source is what its one input holds: what is not in there any more is not answered any more. */
  z.object({
    op: z.literal('sync'),
    collection,
    source,
    inputs: z.array(artifactRefSchema.extend({ to: containerPath })).length(1),
    revision: revision.optional(),
    /** Of a source that is one file, and has another name; older services go by the end of its path. */
    file: fileName.optional(),
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
    /** Of the owner that told of these passages: another one numbers them otherwise. */
    epoch: z.number().int().min(1).optional(),
  }),
  /** Everything that has the subject in it is taken out, and looked for in all files of the service. */
  z.object({ op: z.literal('forget'), collection, subject: z.string().max(limits.subjectChars) }),
  /** These three the broker alone asks (E43). What the owner has of the shard is left as an artifact, for these services. */
  z.object({
    op: z.literal('copy'),
    collection,
    outputs: z.array(z.literal(copyOutput)).length(1),
    receivers: z.array(copyKeySchema).min(1).max(limits.shardCopies),
  }),
  /** The copy of the shard is from now on what its one input holds. */
  z.object({
    op: z.literal('follow'),
    collection,
    inputs: z.array(artifactRefSchema.extend({ to: containerPath })).length(1),
  }),
  /** It is to have no copy of the shard any more. */
  z.object({ op: z.literal('letGo'), collection }),
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
    /** Of these files alone; the answer says so (`chosen`), and that of an older service does not. */
    files: chosenFilesSchema.optional(),
    /** Passages that nearly repeat a better one are left out, and more than a few of one file come after those of others. Not with `statistics`. */
    distinct: z.literal(true).optional(),
    /** With each passage so many that stand before it, and after it, as far as an answer has room. */
    around: z.number().int().min(1).max(limits.passagesAround).optional(),
    /** Of `text`, by the collection's model; by another's, or without, words alone are asked. */
    vector: z.object({ digest: artifactDigest, values }).optional(),
    /** Of all shards: then passages are scored as in one index of all, and each tells its order. */
    statistics: statisticsSchema.optional(),
    /** With a vector and statistics: which passages, by how they stand in both rankings of all shards. */
    ranked: z.object({ words: ranks, meaning: ranks }).optional(),
  }),
  /** What the shards of a collection are asked first, so that all score alike. */
  z.object({ op: z.literal('statistics'), collection, text: z.string().max(limits.queryChars) }),
  /** The best of both rankings, each without its text. */
  z.object({
    op: z.literal('candidates'),
    collection,
    text: z.string().max(limits.queryChars),
    count: z.number().int().min(1).max(limits.fusedCandidates),
    files: chosenFilesSchema.optional(),
    vector: z.object({ digest: artifactDigest, values }),
    statistics: statisticsSchema,
  }),
  /** What has no vector yet, as its model is to be shown it; behind the passage `after`. */
  z.object({ op: z.literal('unembedded'), collection, after: passageId }),
  /** Collections and their sources. */
  z.object({ op: z.literal('list') }),
  /** Files that could not be read, by name, behind the first `skip` of them. */
  z.object({ op: z.literal('failed'), collection, skip: passageId }),
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
