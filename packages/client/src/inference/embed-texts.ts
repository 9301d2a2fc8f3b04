/**
 * Texts as vectors, by a model of the grid: one `embed` task for many.
 *
 * 1. A text that the model has no room for is cut at its end until it fits; how many were is told.
 * 2. Every text has a vector, or all of it fails with GridError.
 */
import { failure, GridError, type ModelDocument, type TextPrefixes } from '@gryphgen/protocol';
import { z } from 'zod';
import type { Inference } from '../inference.ts';
import { wholeAnswer } from './whole-answer.ts';

/** Of one text: each leaves less of it by what the server says, or half. */
const mostCuts = 8;
/** Tokens are not all of one length. */
const margin = 0.95;

export interface EmbedOptions {
  readonly signal?: AbortSignal;
  /** Longest wait for a model that is ready, and longest answer. */
  readonly queueTimeoutMs?: number;
  readonly timeoutMs?: number;
  /** What the texts are: before each stands what the model wants before such. Default: nothing does. */
  readonly as?: keyof TextPrefixes;
}

export interface Embedded {
  /** In the texts' order. */
  readonly vectors: readonly Float32Array[];
  /** Texts of which the end was left out. */
  readonly cut: number;
}

export type EmbeddingModel = Pick<ModelDocument, 'name' | 'serving' | 'prefixes'>;

export async function embedTexts(
  inference: Inference,
  model: EmbeddingModel,
  given: readonly string[],
  options: EmbedOptions = {},
): Promise<Embedded> {
  const prefix = (options.as && model.prefixes?.[options.as]) ?? '';
  const texts = given.map((text) => `${prefix}${text}`);
  const whole = await asked(inference, model, texts, options);
  if (whole.kind === 'vectors') return { vectors: whole.vectors, cut: 0 };
  // It does not say which of them.
  let cut = 0;
  const vectors: Float32Array[] = [];
  for (const text of texts) {
    const one = await embeddedOne(inference, model, text, options);
    vectors.push(one.vector);
    if (one.isCut) cut += 1;
  }
  return { vectors, cut };
}

async function embeddedOne(
  inference: Inference,
  model: EmbeddingModel,
  text: string,
  options: EmbedOptions,
): Promise<{ readonly vector: Float32Array; readonly isCut: boolean }> {
  for (let [left, cuts] = [text, 0]; ; cuts += 1) {
    const answered = await asked(inference, model, [left], options);
    if (answered.kind === 'vectors') return { vector: answered.vectors[0] as Float32Array, isCut: cuts > 0 };
    if (cuts === mostCuts || left.length < 2) throw answered.error;
    const has = Number(/(\d+) tokens/.exec(answered.error.message)?.[1] ?? 0);
    const { slotTokens } = model.serving;
    const part = has > slotTokens ? (slotTokens / has) * margin : 0.5;
    const length = Math.floor(left.length * part);
    // Half of a pair is no character.
    left = left.slice(0, length).replace(/[\ud800-\udbff]$/, '');
  }
}

async function asked(
  inference: Inference,
  { name }: EmbeddingModel,
  input: readonly string[],
  { signal, queueTimeoutMs, timeoutMs }: EmbedOptions,
): Promise<Asked> {
  const request = new TextEncoder().encode(JSON.stringify({ input, encoding_format: 'base64' }));
  const answer = inference.ask(
    {
      ...{ kind: 'embed', model: name, path: '/v1/embeddings', request },
      ...(queueTimeoutMs !== undefined && { queueTimeoutMs }),
      ...(timeoutMs !== undefined && { timeoutMs }),
    },
    { ...(signal && { signal }) },
  );
  try {
    const { value } = await wholeAnswer(answer, name, 'embed', answerSchema);
    const vectors = value.data.sort((a, b) => a.index - b.index).map(({ embedding }) => floatsOf(embedding));
    if (vectors.length === input.length && vectors.every(isDirection)) return { kind: 'vectors', vectors };
  } catch (error) {
    if (error instanceof GridError && isTooLong(error)) return { kind: 'too-long', error };
    throw error;
  }
  throw new GridError(
    failure('execution.model', `${name} answers ${input.length} texts without a vector for each`),
  );
}

type Asked =
  | { readonly kind: 'vectors'; readonly vectors: readonly Float32Array[] }
  | { readonly kind: 'too-long'; readonly error: GridError };

const answerSchema = z.object({
  data: z.array(
    z.object({
      index: z.number().int().min(0),
      /** Builds that know nothing of base64 write numbers. */
      embedding: z.union([z.string(), z.array(z.number())]),
    }),
  ),
});

function floatsOf(embedding: string | readonly number[]): Float32Array {
  if (typeof embedding !== 'string') return Float32Array.from(embedding);
  const bytes = Uint8Array.from(Buffer.from(embedding, 'base64'));
  return new Float32Array(bytes.buffer, 0, Math.floor(bytes.byteLength / Float32Array.BYTES_PER_ELEMENT));
}

function isDirection(vector: Float32Array): boolean {
  return vector.every(Number.isFinite) && vector.some((value) => value !== 0);
}

/** In the words of llama-server's builds. */
function isTooLong({ message }: GridError): boolean {
  return /too (large|long)|larger than|exceed|has room for/i.test(message);
}
