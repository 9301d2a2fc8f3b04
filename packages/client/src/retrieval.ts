/**
 * Collections of passages: brought up to date by `ingest` tasks, asked by `retrieve` tasks, like all that a grid does.
 *
 * 1. A task goes to the worker that owns the collection's shard, by the broker's word (E40), and nowhere else.
 * 2. What changes a collection is durable, and may be tried again; a question is not: it is asked again by who needs it. Nor is
 *    forgetting, or saying which names are to be taken out: those are in no journal. Nor are vectors: they are made again.
 * 3. Nothing is reserved for either. A service makes one change after the other, by two processes that read: what it takes of a machine is
 *    little and bounded, while the cores of a small one are its loaded models' even while nobody asks them.
 * 4. Where a collection has vectors, who asks has the query embedded. Whatever is in the way of that, words are asked, and the
 *    answer says what was.
 */
import {
  type AccessResult,
  type ArtifactRef,
  accessResultSchema,
  type Embedding,
  type ForgetResult,
  failure,
  forgetResultSchema,
  formatTaskId,
  GridError,
  type IngestBody,
  type IngestResult,
  ingestResultSchema,
  type ListResult,
  listResultSchema,
  type QueryResult,
  queryResultSchema,
  type RetrieveBody,
  type RevealResult,
  readOutcome,
  revealResultSchema,
  type WeightsResult,
  weightsResultSchema,
} from '@gryphgen/protocol';
import { parseJson } from '@gryphgen/runtime';
import type { z } from 'zod';
import type { SubmitOptions } from './calls.ts';
import { embedTexts } from './inference/embed-texts.ts';
import type { Inference } from './inference.ts';
import type { Outcome } from './pending.ts';
import { type EncodedTask, type PreparedTask, prepareTask, type TaskSpec } from './prepare.ts';
import { type CollectionsAsker, collectionNamed } from './retrieval/collection-shards.ts';
import { embeddingDigest } from './text-prefixes.ts';

/** Of a question, in a place and out of it. */
const patienceMs = 60_000;
/** Of files that could not be read, those that are named. */
const namedFailures = 20;
/** Where the one input of an ingest is; nothing reads it there. */
const given = '/in';

/** It waits for nobody's containers, nor for an idle model to be unloaded (3). */
const resources = { cpuMilli: 0, memoryBytes: 0, diskBytes: 0 } as const;

const question = {
  durable: false,
  resources,
  timeoutMs: patienceMs,
  queueTimeoutMs: patienceMs,
} as const;

/**
 * For one shard of the collection, from 0; it goes to that one's owner, and waits for it. The collection is to be known
 * (`placeCollection`), and inputs to be brought, before.
 */
export function ingestTask(body: IngestBody, shard = 0): PreparedTask {
  const { collection } = body;
  const inputs: readonly ArtifactRef[] = body.op === 'sync' ? body.inputs : [];
  const spec: TaskSpec = {
    kind: 'ingest',
    body,
    inputs: inputs.map(() => ({ from: given, to: given })),
    name: `${body.op} ${collection}`,
    resources,
    retries: { limit: 2, backoffMs: 1000 },
    ...(isUnkept(body) && { durable: false }),
    ...at(collection, shard),
  };
  return prepareTask(spec, inputs);
}

/** What is not for the journal, or is made again. */
function isUnkept({ op }: IngestBody): boolean {
  return op === 'forget' || op === 'redact' || op === 'vectors';
}

/** What one wants of a retrieval service; `submit` of a `Client`. */
export interface RetrievalAsker extends CollectionsAsker {
  submit(task: EncodedTask, options?: SubmitOptions): { readonly finished: Promise<Outcome> };
}

export type CollectionQuery = Omit<Extract<RetrieveBody, { op: 'query' }>, 'op' | 'vector'>;

export interface QueryOptions {
  /** By which the query is embedded where the collection has vectors; without it words alone are asked. */
  readonly inference?: Inference | undefined;
  readonly signal?: AbortSignal;
}

export interface Found extends QueryResult {
  /** That looked them up. */
  readonly task: string;
  /** By which model the query was embedded, and how long that took. */
  readonly meaning?: { readonly model: string; readonly ms: number };
  /** Why words alone were asked of a collection that has vectors. */
  readonly wordsAlone?: string;
}

/**
 * Passages for `text`, best first, and the task that looked them up. Throws GridError: `rejected.not-found` where the worker has
 * no such collection any more, `lost.*`.
 */
export async function queryCollection(
  asker: RetrievalAsker,
  query: CollectionQuery,
  { inference, signal }: QueryOptions = {},
): Promise<Found> {
  await collectionNamed(asker, query.collection);
  const ask = async (vector?: QueryVector): Promise<Found> => {
    const body: RetrieveBody = { op: 'query', ...query, ...(vector && { vector }) };
    const task = prepareTask({ kind: 'retrieve', body, ...question, ...at(query.collection) });
    const outcome = await asker.submit(task, signal && { signal }).finished;
    return { ...retrieved(outcome, queryResultSchema), task: formatTaskId(outcome.task) };
  };
  const byWords = await ask();
  const { embedding } = byWords;
  if (embedding === undefined || inference === undefined) return byWords;
  const embedded = await queryVector(inference, signal, embedding, query.text);
  if ('words' in embedded) return { ...byWords, wordsAlone: embedded.words };
  const { digest, model } = embedding;
  const found = await ask({ digest, values: embedded.values });
  return { ...found, meaning: { model, ms: embedded.ms } };
}

type QueryVector = NonNullable<Extract<RetrieveBody, { op: 'query' }>['vector']>;

async function queryVector(
  inference: Inference,
  signal: AbortSignal | undefined,
  { model: name, digest }: Embedding,
  text: string,
): Promise<{ readonly values: Uint8Array; readonly ms: number } | { readonly words: string }> {
  const beganMono = performance.now();
  try {
    const model = (await inference.models()).find((one) => one.name === name);
    if (model === undefined)
      return { words: `the model ${name}, which it has vectors by, is not there any more` };
    if (embeddingDigest(model) !== digest)
      return { words: `the model ${name} has another file, or other prefixes, than it has vectors by` };
    const { vectors } = await embedTexts(inference, model, [text], {
      ...{ as: 'query' as const, queueTimeoutMs: patienceMs, timeoutMs: patienceMs },
      ...(signal && { signal }),
    });
    const [vector = new Float32Array()] = vectors;
    const values = new Uint8Array(vector.buffer, vector.byteOffset, vector.byteLength);
    return { values, ms: performance.now() - beganMono };
  } catch (error) {
    if (!(error instanceof GridError) || signal?.aborted) throw error;
    return { words: `the query has no vector: ${error.message}` };
  }
}

/** What one retrieval service has. */
export async function listCollections(asker: RetrievalAsker, worker: string): Promise<ListResult> {
  const constraints = { worker, labels: {} };
  const task = prepareTask({ kind: 'retrieve', body: { op: 'list' }, ...question, constraints });
  return retrieved(await asker.submit(task).finished, listResultSchema);
}

/** The text with what the pseudonyms in it stand for. Throws GridError: `rejected.forbidden` for who neither owns the collection nor is an admin. */
export async function revealText(
  asker: RetrievalAsker,
  collection: string,
  text: string,
): Promise<RevealResult> {
  const body: RetrieveBody = { op: 'reveal', collection, text };
  const task = prepareTask({ kind: 'retrieve', body, ...question, ...at(collection) });
  return retrieved(await asker.submit(task).finished, revealResultSchema);
}

/** What a collection learned from feedback. */
export async function collectionWeights(asker: RetrievalAsker, collection: string): Promise<WeightsResult> {
  return await askRetrieval(asker, collection, { op: 'weights', collection }, weightsResultSchema);
}

/** A question to whichever service has the collection. */
export async function askRetrieval<T>(
  asker: RetrievalAsker,
  collection: string,
  body: RetrieveBody,
  schema: z.ZodType<T>,
): Promise<T> {
  const task = prepareTask({ kind: 'retrieve', body, ...question, ...at(collection) });
  return retrieved(await asker.submit(task).finished, schema);
}

/** Of `feedback` and `weights`. */
export function weighed(...outcomes: readonly Outcome[]): WeightsResult {
  return firstOf(outcomes.map((outcome) => retrieved(outcome, weightsResultSchema)));
}

/** Of `access`. */
export function accessed(...outcomes: readonly Outcome[]): AccessResult {
  return firstOf(outcomes.map((outcome) => retrieved(outcome, accessResultSchema)));
}

/** Of each shard's. */
export function forgotten(...outcomes: readonly Outcome[]): ForgetResult {
  const all = outcomes.map((outcome) => retrieved(outcome, forgetResultSchema));
  return {
    passages: sum(all, ({ passages }) => passages),
    files: sum(all, ({ files }) => files),
    feedback: sum(all, ({ feedback }) => feedback),
    searched: all.flatMap(({ searched }) => searched),
    elsewhere: all.flatMap(({ elsewhere }) => elsewhere),
  };
}

/** Of each shard's. */
export function ingested(...outcomes: readonly Outcome[]): IngestResult {
  const all = outcomes.map((outcome) => retrieved(outcome, ingestResultSchema));
  const [first] = all.flatMap(({ vectors }) => vectors ?? []);
  return {
    added: sum(all, ({ added }) => added),
    changed: sum(all, ({ changed }) => changed),
    unchanged: sum(all, ({ unchanged }) => unchanged),
    removed: sum(all, ({ removed }) => removed),
    failedFiles: sum(all, ({ failedFiles }) => failedFiles),
    failed: all.flatMap(({ failed }) => failed).slice(0, namedFailures),
    ...(first && { vectors: { ...first, lacking: sum(all, ({ vectors }) => vectors?.lacking ?? 0) } }),
  };
}

function firstOf<T>([first]: readonly T[]): T {
  if (first === undefined) throw new GridError(failure('internal.bug', 'no shard was asked'));
  return first;
}

function sum<T>(all: readonly T[], of: (one: T) => number): number {
  return all.reduce((total, one) => total + of(one), 0);
}

function at(collection: string, index = 0): Pick<TaskSpec, 'shard'> {
  return { shard: { collection, index } };
}

export function retrieved<T>(outcome: Outcome, schema: z.ZodType<T>): T {
  if (outcome.failure !== null) throw new GridError(outcome.failure);
  const { result } = readOutcome(outcome.result) ?? {};
  const parsed = schema.safeParse(
    result === undefined ? undefined : parseJson(new TextDecoder().decode(result)),
  );
  if (parsed.success) return parsed.data;
  throw new GridError(
    failure('internal.bug', `the worker's answer is none: ${parsed.error.issues[0]?.message}`),
  );
}
