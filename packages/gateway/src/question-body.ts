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

const soonS = 1;
const tokens = z.number().int().min(-1).max(askBounds.tokens).nullish();

/** Only what routes it, and what would be absurd; llama-server knows the rest. */
const bodySchema = z.looseObject({
  model: z.string().refine(isModelName, `expected ${modelNameWords}`),
  n: z.number().int().min(1).max(askBounds.choices).nullish(),
  best_of: z.number().int().min(1).max(askBounds.choices).nullish(),
  max_tokens: tokens,
  max_completion_tokens: tokens,
  max_output_tokens: tokens,
  n_predict: tokens,
  top_logprobs: z.number().int().min(0).max(askBounds.logprobs).nullish(),
  stream: z.boolean().nullish(),
});

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

function fieldsOf(bytes: Buffer): z.infer<typeof bodySchema> {
  if (bytes.length === 0) throw badRequest('the body is empty, expected a JSON object');
  let document: unknown;
  try {
    document = JSON.parse(bytes.toString('utf8'));
  } catch (error) {
    throw badRequest(`the body is no JSON: ${error instanceof Error ? error.message : String(error)}`);
  }
  const parsed = bodySchema.safeParse(document);
  if (parsed.success) return parsed.data;
  const issue = parsed.error.issues[0];
  const param = issue?.path.join('.') ?? '';
  const words = issue?.message ?? 'is not valid';
  throw param === '' ? badRequest(`the body: ${words}`) : badRequest(`${param}: ${words}`, param);
}

function full(): ApiError {
  return new ApiError({
    status: 429,
    type: 'rate_limit_error',
    code: 'gateway_full',
    message: 'the gateway holds as many bytes of requests as it can',
    retryAfterS: soonS,
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
