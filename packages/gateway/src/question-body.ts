/**
 * A request's body: received within bounds, and looked at as far as the gateway must. It is passed on as it came.
 *
 * 1. No more of it is kept than `mostBytes`; a body that says that it is longer is refused before it is read. Of all bodies
 *    together no more is kept than there is room for.
 */
import type { IncomingMessage } from 'node:http';
import { isModelName, modelNameWords } from '@gryphgen/protocol';
import { z } from 'zod';
import { ApiError, badRequest } from './api-error.ts';
import { askBounds } from './gateway-bounds.ts';
import type { HeldBody } from './held-bodies.ts';

export interface QuestionBody {
  readonly model: string;
  readonly request: Uint8Array;
  /** It asks for its answer piece by piece. */
  readonly isStream: boolean;
}

const { choices, tokens, logprobs } = askBounds;
/** What would be absurd: the least and the most of whole numbers; llama-server knows the rest. */
const amounts = {
  n: [1, choices],
  best_of: [1, choices],
  max_tokens: [-1, tokens],
  max_completion_tokens: [-1, tokens],
  max_output_tokens: [-1, tokens],
  n_predict: [-1, tokens],
  top_logprobs: [0, logprobs],
} as const satisfies Readonly<Record<string, readonly [least: number, most: number]>>;
const amountList = Object.entries(amounts);

const bodySchema = z.looseObject({
  model: z.string().refine(isModelName, `expected ${modelNameWords}`),
  ...Object.fromEntries(
    amountList.map(([name, [least, most]]) => [name, z.number().int().min(least).max(most).nullish()]),
  ),
  stream: z.boolean().nullish(),
});

/** What routes it. */
interface Fields {
  readonly model: string;
  readonly stream?: boolean | null | undefined;
}

/** Rejects with ApiError: 400 in words, 413, 429; with the request's error when the client leaves. */
export async function readQuestion(
  request: IncomingMessage,
  mostBytes: number,
  held: HeldBody,
): Promise<QuestionBody> {
  if (Number(request.headers['content-length'] ?? 0) > mostBytes) throw tooLarge(mostBytes);
  const encoding = request.headers['content-encoding'] ?? 'identity';
  if (encoding !== 'identity')
    throw new ApiError({
      status: 415,
      type: 'invalid_request_error',
      code: 'unsupported_encoding',
      message: `content-encoding: found ${encoding}, expected none`,
    });
  const bytes = await readBytes(request, mostBytes, held);
  const { model, stream } = fieldsOf(bytes);
  return { model, request: bytes, isStream: stream === true };
}

/** By events: the end of an iteration would end the connection, and with it the answer that says why. */
function readBytes(request: IncomingMessage, mostBytes: number, held: HeldBody): Promise<Buffer> {
  const parts: Buffer[] = [];
  let length = 0;
  return new Promise((resolve, reject) => {
    const take = (part: Buffer): void => {
      length += part.length;
      const refusal = length > mostBytes ? tooLarge(mostBytes) : held.take(part.length) ? undefined : full();
      if (refusal === undefined) parts.push(part);
      else {
        request.off('data', take);
        reject(refusal);
      }
    };
    request.on('data', take);
    request.once('end', () => resolve(Buffer.concat(parts)));
    request.once('error', reject);
  });
}

function fieldsOf(bytes: Buffer): Fields {
  if (bytes.length === 0) throw badRequest('the body is empty, expected a JSON object');
  let document: unknown;
  try {
    document = JSON.parse(bytes.toString('utf8'));
  } catch (error) {
    throw badRequest(`the body is no JSON: ${error instanceof Error ? error.message : String(error)}`);
  }
  if (isGood(document)) return document;
  const parsed = bodySchema.safeParse(document);
  if (parsed.success) return parsed.data;
  const issue = parsed.error.issues[0];
  const param = issue?.path.join('.') ?? '';
  const words = issue?.message ?? 'is not valid';
  throw param === '' ? badRequest(`the body: ${words}`) : badRequest(`${param}: ${words}`, param);
}

const isWhole = (value: unknown): value is number => Number.isSafeInteger(value);

/** What is well formed is seen to be so without the schema, which has the words for all else. */
function isGood(document: unknown): document is Fields {
  if (typeof document !== 'object' || document === null) return false;
  const fields = document as Readonly<Record<string, unknown>>;
  const { model, stream } = fields;
  return (
    typeof model === 'string' &&
    isModelName(model) &&
    (stream == null || typeof stream === 'boolean') &&
    amountList.every(([name, [least, most]]) => {
      const value = fields[name];
      return value == null || (isWhole(value) && value >= least && value <= most);
    })
  );
}

function full(): ApiError {
  return new ApiError({
    status: 429,
    type: 'rate_limit_error',
    code: 'gateway_full',
    message:
      'the gateway holds as many bytes of requests as it can, or as much of it by this key as leaves room for others',
  });
}

function tooLarge(mostBytes: number): ApiError {
  return new ApiError({
    status: 413,
    type: 'invalid_request_error',
    code: 'request_too_large',
    message: `the body is longer than the ${mostBytes} bytes that one request may have`,
  });
}
