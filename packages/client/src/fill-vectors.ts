/**
 * Has the passages of a collection have vectors: its service tells which have none, a model of the grid embeds them, and the
 * service keeps what comes of that.
 *
 * 1. Who calls it asks the model, with their own rights. The service asks nobody.
 * 2. What is kept stays kept: given up in the middle, the next call goes on.
 * 3. Memory: `atOnce` answers of the service and their vectors.
 */
import {
  type Embedding,
  type EmbedResult,
  embedResultSchema,
  failure,
  GridError,
  type IngestBody,
  limits,
  type ModelDocument,
  type UnembeddedResult,
  unembeddedResultSchema,
  vectorsResultSchema,
} from '@gryphgen/protocol';
import { embedTexts } from './inference/embed-texts.ts';
import type { Inference } from './inference.ts';
import { modelFor } from './model-choice.ts';
import { type RetrievalAsker, retrieved } from './retrieval/ask-shard.ts';
import { collectionNamed } from './retrieval/collection-shards.ts';
import { askRetrieval, ingestTask } from './retrieval.ts';
import { embeddingDigest } from './text-prefixes.ts';

/** One is embedded while another is fetched or kept; two instances have work. */
const atOnce = 2;
/** A task's body holds them with room to spare. */
const bodyBytes = 192 * 1024;

export interface FillProgress {
  /** Passages with a vector now that had none. */
  readonly filled: number;
  /** Of those, of which the end was too long for the model. */
  readonly cut: number;
}

export interface FillOptions {
  readonly signal?: AbortSignal;
  readonly onProgress?: (progress: FillProgress) => void;
}

async function embeddingModel(inference: Inference, name: string): Promise<ModelDocument> {
  return modelFor(await inference.models(), 'embed', name);
}

/** From now on the collection's vectors are by this model. `again`: all that it has are made anew, by whatever model they are. */
export async function embedCollection(
  asker: RetrievalAsker,
  inference: Inference,
  collection: string,
  name: string,
  again: boolean,
): Promise<EmbedResult> {
  const model = await embeddingModel(inference, name);
  // How long its vectors are, its file does not always say.
  const { vectors } = await embedTexts(inference, model, [collection], { as: 'passage' });
  const digest = embeddingDigest(model);
  const embedding = { model: name, digest, dimension: vectors[0]?.length ?? 0 };
  const body: IngestBody = { op: 'embed', collection, embedding, ...(again && { again }) };
  const { shards } = await collectionNamed(asker, collection);
  const all = await Promise.all(shards.map((_, shard) => asker.submit(ingestTask(body, shard)).finished));
  const results = all.map((outcome) => retrieved(outcome, embedResultSchema));
  return { embedding, lacking: results.reduce((sum, { lacking }) => sum + lacking, 0) };
}

/** Throws GridError: what the model, or the service, cannot do. */
export async function fillVectors(
  asker: RetrievalAsker,
  inference: Inference,
  collection: string,
  embedding: Embedding,
  { signal, onProgress }: FillOptions = {},
): Promise<FillProgress> {
  const model = await embeddingModel(inference, embedding.model);
  if (embeddingDigest(model) !== embedding.digest)
    throw new GridError(
      failure(
        'rejected.state',
        `${collection} has vectors by an earlier file of the model ${model.name}, or by other prefixes: "grid rag sync ${collection} --embed ${model.name} --again" makes all of them anew`,
      ),
    );
  let [filled, cut] = [0, 0];
  const { shards } = await collectionNamed(asker, collection);
  const rest = lackingOf(asker, collection, shards.length, batchSize(embedding));
  const filler = async (): Promise<void> => {
    for await (const { shard, passages, epoch } of { [Symbol.asyncIterator]: () => rest }) {
      const texts = passages.map(({ text }) => text);
      const embedded = await embedTexts(inference, model, texts, {
        as: 'passage',
        ...(signal && { signal }),
      });
      const ids = passages.map(({ id }) => id);
      const values = bytesOf(embedded.vectors);
      const of = { collection, embedding, ...(epoch !== undefined && { epoch }) };
      const body: IngestBody = { op: 'vectors', ...of, passages: ids, values };
      const { kept } = retrieved(await asker.submit(ingestTask(body, shard)).finished, vectorsResultSchema);
      filled += kept;
      cut += embedded.cut;
      onProgress?.({ filled, cut });
    }
  };
  await Promise.all(Array.from({ length: atOnce }, filler));
  return { filled, cut };
}

function batchSize({ dimension }: Embedding): number {
  const fit = Math.floor(bodyBytes / (dimension * Float32Array.BYTES_PER_ELEMENT));
  return Math.max(1, Math.min(limits.vectorsBrought, fit));
}

/** Of one shard after the other. */
async function* lackingOf(
  asker: RetrievalAsker,
  collection: string,
  shards: number,
  size: number,
): AsyncGenerator<UnembeddedResult & { readonly shard: number }, void> {
  for (let shard = 0; shard < shards; shard += 1)
    for (let after = 0; ; ) {
      const body = { op: 'unembedded', collection, after } as const;
      const lacking = await askRetrieval(asker, collection, body, unembeddedResultSchema, shard);
      const passages = lacking.passages.slice(0, size);
      const last = passages.at(-1);
      if (last === undefined) break;
      yield { ...lacking, shard, passages };
      after = last.id;
    }
}

/** The least significant byte first, as all machines that Node runs on have them. */
function bytesOf(vectors: readonly Float32Array[]): Uint8Array {
  return Buffer.concat(vectors.map((one) => Buffer.from(one.buffer, one.byteOffset, one.byteLength)));
}
