/**
 * Passages of a collection for a query, whatever number of shards it has.
 *
 * 1. Where a collection has vectors, who asks has the query embedded. Whatever is in the way of that, words are asked, and the
 *    answer says what was.
 * 2. One shard is asked as it always was: with one question, or two where there are vectors.
 */
import {
  type Embedding,
  GridError,
  type QueryResult,
  queryResultSchema,
  type RetrieveBody,
} from '@gryphgen/protocol';
import { embedTexts } from '../inference/embed-texts.ts';
import type { Inference } from '../inference.ts';
import { embeddingDigest } from '../text-prefixes.ts';
import { askShard, patienceMs, type RetrievalAsker } from './ask-shard.ts';
import { chosenAlone } from './chosen-alone.ts';
import { askedShard, collectionNamed } from './collection-shards.ts';
import { queryShards } from './query-shards.ts';

type Query = Extract<RetrieveBody, { op: 'query' }>;
export type CollectionQuery = Omit<Query, 'op' | 'vector' | 'statistics' | 'ranked'>;
export type QueryVector = NonNullable<Query['vector']>;

export interface QueryOptions {
  /** By which the query is embedded where the collection has vectors; without it words alone are asked. */
  readonly inference?: Inference | undefined;
  readonly signal?: AbortSignal;
  /** Of several shards, for each round of questions (two, by meaning three); who has not answered by then is missing. */
  readonly deadlineMs?: number;
}

/** A shard that is not in the answer; `number` from 1. */
export interface MissingShard {
  readonly number: number;
  /** The name of its owner's machine; '' where it has none. */
  readonly machine: string;
  readonly why: string;
}

/** A shard that was answered for by a copy that lacks its newest changes; `number` from 1. */
export interface BehindShard {
  readonly number: number;
  /** The change that it is of, and the last that the shard's owner told of. */
  readonly version: number;
  readonly of: number;
}

export interface Found extends Omit<QueryResult, 'behind' | 'chosen'> {
  /** That looked them up; of several shards the first that answered. */
  readonly task: string;
  /** By which model the query was embedded, and how long that took. */
  readonly meaning?: { readonly model: string; readonly ms: number };
  /** Why words alone were asked of a collection that has vectors. */
  readonly wordsAlone?: string;
  /** Shards that did not answer: what is in them was not looked at. */
  readonly missing?: readonly MissingShard[];
  /** Shards of which what was changed last was not looked at. */
  readonly behindShards?: readonly BehindShard[];
}

/**
 * Passages for `text`, best first, and the task that looked them up. Throws GridError: `rejected.not-found` where there is
 * no such collection any more, `lost.*` and the like when no shard answered.
 */
export async function queryCollection(
  asker: RetrievalAsker,
  query: CollectionQuery,
  options: QueryOptions = {},
): Promise<Found> {
  const collection = await collectionNamed(asker, query.collection);
  const { inference, signal } = options;
  const embed = async (embedding: Embedding) =>
    inference && (await queryVector(inference, signal, embedding, query.text));
  if (collection.shards.length > 1) return await queryShards(asker, collection, query, embed, options);
  const ask = async (vector?: QueryVector): Promise<Found> => {
    const body = { op: 'query' as const, ...query, ...(vector && { vector }) };
    const shard = askedShard(collection, 0);
    const { result, task } = await askShard(asker, shard, body, queryResultSchema, signal);
    const { behind, chosen: _, ...found } = chosenAlone(query, 0, result);
    return { ...found, task, ...(behind && { behindShards: [{ number: 1, ...behind }] }) };
  };
  const byWords = await ask();
  const { embedding } = byWords;
  const embedded = embedding && (await embed(embedding));
  if (embedded === undefined) return byWords;
  if ('words' in embedded) return { ...byWords, wordsAlone: embedded.words };
  const { vector, meaning } = embedded;
  return { ...(await ask(vector)), meaning };
}

/** Why there is none, or the vector of the query. */
export type Embedded =
  | { readonly vector: QueryVector; readonly meaning: NonNullable<Found['meaning']> }
  | { readonly words: string };

async function queryVector(
  inference: Inference,
  signal: AbortSignal | undefined,
  { model: name, digest }: Embedding,
  text: string,
): Promise<Embedded> {
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
    return { vector: { digest, values }, meaning: { model: name, ms: performance.now() - beganMono } };
  } catch (error) {
    if (!(error instanceof GridError) || signal?.aborted) throw error;
    return { words: `the query has no vector: ${error.message}` };
  }
}
