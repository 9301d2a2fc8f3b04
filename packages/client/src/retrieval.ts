/**
 * Collections of passages: brought up to date by `ingest` tasks, asked by `retrieve` tasks, like all that a grid does.
 *
 * 1. A task goes to the worker that owns the collection's shard, by the broker's word (E40), and nowhere else.
 * 2. What changes a collection is durable, and may be tried again; a question is not: it is asked again by who needs it. Nor is
 *    forgetting, or saying which names are to be taken out, or what was asked and how it was answered: those are in no
 *    journal. Nor are vectors: they are made again.
 * 3. Nothing is reserved for either. A service makes one change after the other, by two processes that read: what it takes of a machine is
 *    little and bounded, while the cores of a small one are its loaded models' even while nobody asks them.
 * 4. Where a collection has vectors, who asks has the query embedded. Whatever is in the way of that, words are asked, and the
 *    answer says what was.
 */
import {
  type AccessResult,
  type ArtifactRef,
  accessResultSchema,
  type FailedResult,
  type ForgetResult,
  failedResultSchema,
  failure,
  forgetResultSchema,
  GridError,
  type IngestBody,
  type IngestResult,
  ingestResultSchema,
  type ListResult,
  listResultSchema,
  type RetrieveBody,
  type RevealResult,
  revealResultSchema,
  type WeightsResult,
  weightsResultSchema,
} from '@gryphgen/protocol';
import type { z } from 'zod';
import type { Outcome } from './pending.ts';
import { type PreparedTask, prepareTask, type TaskSpec } from './prepare.ts';
import {
  askShard,
  nothingReserved,
  questionTask,
  type RetrievalAsker,
  retrieved,
} from './retrieval/ask-shard.ts';

/** Of files that could not be read, those that are named; all are by `listFailed`. */
const namedFailures = 20;
/** More nobody reads, and no service has: each file is tried again by each sync. */
const mostFailed = 100_000;
/** Of a machine that is there and busy; one that is not is asked when it is back. */
const copyWaitMs = 60_000;
/** As long as a person would wait who asked for it. */
const usedWaitMs = 60_000;
/** Where the one input of an ingest is; nothing reads it there. */
const given = '/in';

/**
 * For one shard of the collection, from 0; it goes to that one's owner, and waits for it. The collection is to be known
 * (`placeCollection`), and inputs to be brought, before. `copy`: to the copy that this worker has instead, of which things
 * can be forgotten.
 */
export function ingestTask(body: IngestBody, shard = 0, copy?: string): PreparedTask {
  const { collection } = body;
  const inputs: readonly ArtifactRef[] = body.op === 'sync' ? body.inputs : [];
  const spec: TaskSpec = {
    kind: 'ingest',
    body,
    inputs: inputs.map(() => ({ from: given, to: given })),
    name: `${body.op} ${collection}`,
    resources: nothingReserved,
    retries: { limit: 2, backoffMs: 1000 },
    ...(isUnkept(body) && { durable: false }),
    ...(isUsed(body) && { queueTimeoutMs: usedWaitMs }),
    shard: { collection, index: shard, ...(copy !== undefined && { at: 'copy' }) },
    ...(copy !== undefined && { constraints: { worker: copy, labels: {} }, queueTimeoutMs: copyWaitMs }),
  };
  return prepareTask(spec, inputs);
}

/** What is not for the journal, or is made again. */
function isUnkept({ op }: IngestBody): boolean {
  return op === 'forget' || op === 'redact' || op === 'vectors' || op === 'feedback';
}

/** Nobody said it, and nobody waits for it. */
function isUsed(body: IngestBody): boolean {
  return body.op === 'feedback' && body.verdict === 'used';
}

/** What one retrieval service has. */
export async function listCollections(asker: RetrievalAsker, worker: string): Promise<ListResult> {
  const constraints = { worker, labels: {} };
  const task = questionTask({ op: 'list' }, { constraints });
  return retrieved(await asker.submit(task).finished, listResultSchema);
}

/** All files of a collection, or of one of its shards, that could not be read; of more than nobody reads, the first. */
export async function listFailed(
  asker: RetrievalAsker,
  collection: string,
  shard = 0,
): Promise<FailedResult> {
  const failed: FailedResult['failed'] = [];
  for (;;) {
    const body = { op: 'failed', collection, skip: failed.length } as const;
    const page = await askRetrieval(asker, collection, body, failedResultSchema, shard);
    failed.push(...page.failed);
    const isLast = page.failed.length === 0 || failed.length >= page.total || failed.length >= mostFailed;
    if (isLast) return { failed, total: page.total };
  }
}

/** The text with what the pseudonyms in it stand for. Throws GridError: `rejected.forbidden` for who neither owns the collection nor is an admin. */
export async function revealText(
  asker: RetrievalAsker,
  collection: string,
  text: string,
): Promise<RevealResult> {
  return await askRetrieval(asker, collection, { op: 'reveal', collection, text }, revealResultSchema);
}

/** What a collection, or one of its shards, learned from feedback. */
export async function collectionWeights(
  asker: RetrievalAsker,
  collection: string,
  shard = 0,
): Promise<WeightsResult> {
  return await askRetrieval(asker, collection, { op: 'weights', collection }, weightsResultSchema, shard);
}

/** A question to the owner of one shard of the collection, from 0. */
export async function askRetrieval<T>(
  asker: RetrievalAsker,
  collection: string,
  body: RetrieveBody,
  schema: z.ZodType<T>,
  shard = 0,
): Promise<T> {
  return (await askShard(asker, { collection, index: shard }, body, schema)).result;
}

/** Of `feedback` and `weights`. */
export function weighed(outcome: Outcome): WeightsResult {
  return retrieved(outcome, weightsResultSchema);
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
