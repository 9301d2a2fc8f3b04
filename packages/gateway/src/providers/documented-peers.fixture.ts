/**
 * Six services as their public documentation has them answer: none of this was recorded of a running one. What differs between them is here:
 * shapes of errors, what is in a stream, how a key is asked for.
 *
 *   LM Studio  lmstudio.ai/docs/api/openai-api, and its issue tracker (618) for errors with status 200
 *   Jan        jan.ai/docs/desktop/api-preference; it answers with llama.cpp's server
 *   Ollama     its docs/openai.md and docs on errors
 *   vLLM       docs.vllm.ai, OpenAI-compatible server; its issue 3485 for the shape of errors
 *   OpenAI     platform.openai.com/docs/api-reference
 *   Anthropic  docs.anthropic.com/en/api/messages-streaming and errors
 */
import type { ModelPath } from '@gryphgen/protocol';
import type { ProviderApi } from './provider.ts';
import type { Replayed } from './replayed-peer.fixture.ts';

export interface DocumentedPeer {
  readonly name: string;
  readonly api: ProviderApi;
  /** How it is asked a chat, and by which header it wants its key. */
  readonly path: ModelPath;
  readonly keyHeader: 'authorization' | 'x-api-key';
  readonly whole: Replayed;
  readonly stream: Replayed;
  /** It has no such model; it has too much to do; it does not take the key; the question itself is wrong. */
  readonly unknownModel: Replayed;
  readonly busy: Replayed;
  readonly keyRefused: Replayed;
  readonly wrong: Replayed;
}

const json = (status: number, body: unknown): Replayed => ({ status, pieces: [JSON.stringify(body)] });
const events = (...pieces: string[]): Replayed => ({
  ...{ status: 200, contentType: 'text/event-stream' },
  pieces: pieces.map((piece) => `${piece}\n\n`),
});
const data = (body: unknown): string => `data: ${JSON.stringify(body)}`;
const named = (type: string, body: object = {}): string => `event: ${type}\n${data({ type, ...body })}`;

/** `more`: what a service adds to each object. */
function chat(model: string, more: object = {}): Replayed {
  const message = { role: 'assistant', content: 'Hello there' };
  return json(200, {
    ...{ id: 'chatcmpl-549', object: 'chat.completion', created: 1_700_000_000, model, ...more },
    choices: [{ index: 0, message, logprobs: null, finish_reason: 'stop' }],
    usage: { prompt_tokens: 9, completion_tokens: 2, total_tokens: 11 },
  });
}

function chunks(model: string, more: object = {}, usage?: object): Replayed {
  const chunk = (delta: object, finish_reason: string | null = null): string =>
    data({
      ...{ id: 'chatcmpl-549', object: 'chat.completion.chunk', created: 1_700_000_000, model, ...more },
      choices: [{ index: 0, delta, finish_reason }],
    });
  const last = usage === undefined ? [] : [data({ id: 'chatcmpl-549', choices: [], usage })];
  const begin = chunk({ role: 'assistant', content: '' });
  return events(begin, chunk({ content: 'Hello' }), chunk({}, 'stop'), ...last, 'data: [DONE]');
}

/** OpenAI's own, which most have taken over. */
const problem = (status: number, message: string, type: string, code: unknown = null): Replayed =>
  json(status, { error: { message, type, param: null, code } });
const openai = { api: 'openai', path: '/v1/chat/completions', keyHeader: 'authorization' } as const;

export const documentedPeers: readonly DocumentedPeer[] = [
  {
    ...{ name: 'lm-studio', ...openai },
    whole: chat('openai/gpt-oss-20b', { stats: {}, system_fingerprint: 'openai/gpt-oss-20b' }),
    stream: chunks('openai/gpt-oss-20b', { system_fingerprint: 'openai/gpt-oss-20b' }),
    // Its status says nothing where its server knows no better.
    unknownModel: json(200, { error: 'Unexpected endpoint or method. (POST /v1/rerank)' }),
    busy: problem(500, 'The model has crashed without additional information.', 'internal_error'),
    keyRefused: problem(
      401,
      'An LM Studio API token is required',
      'invalid_request_error',
      'invalid_api_key',
    ),
    wrong: problem(400, "'messages' field is required", 'invalid_request_error'),
  },
  {
    ...{ name: 'jan', ...openai },
    whole: chat('jan-v3-4b-base-instruct', { timings: { prompt_n: 9, predicted_n: 2 } }),
    stream: chunks('jan-v3-4b-base-instruct', { timings: { prompt_n: 9, predicted_n: 2 } }),
    unknownModel: problem(404, 'model not found', 'not_found_error', 404),
    busy: problem(503, 'Loading model', 'unavailable_error', 503),
    keyRefused: problem(401, 'Invalid API Key', 'authentication_error', 401),
    wrong: problem(400, 'the request exceeds the available context size', 'exceed_context_size_error', 400),
  },
  {
    ...{ name: 'ollama', ...openai },
    whole: chat('llama3.2', { system_fingerprint: 'fp_ollama' }),
    stream: chunks('llama3.2', { system_fingerprint: 'fp_ollama' }),
    unknownModel: problem(404, 'model "llama3.2" not found, try pulling it first', 'api_error'),
    busy: problem(503, 'server busy, please try again. maximum pending requests exceeded', 'api_error'),
    keyRefused: json(401, { error: 'unauthorized', signin_url: 'https://ollama.com/connect' }),
    wrong: problem(400, 'top_logprobs must be between 0 and 20', 'invalid_request_error'),
  },
  {
    ...{ name: 'vllm', ...openai },
    whole: chat('Qwen/Qwen3-8B', { prompt_logprobs: null, kv_transfer_params: null }),
    stream: chunks('Qwen/Qwen3-8B'),
    unknownModel: json(404, {
      ...{ object: 'error', message: 'The model `Qwen/Qwen3-8B` does not exist.' },
      ...{ type: 'NotFoundError', param: null, code: 404 },
    }),
    busy: json(500, { object: 'error', message: 'EngineCore encountered an issue.', code: 500 }),
    keyRefused: json(401, { error: 'Unauthorized' }),
    wrong: json(400, { object: 'error', message: 'max_tokens must be at least 1', type: 'BadRequestError' }),
  },
  {
    ...{ name: 'openai', ...openai },
    whole: chat('gpt-large', { service_tier: 'default', system_fingerprint: 'fp_1' }),
    stream: chunks('gpt-large', { service_tier: 'default' }, { prompt_tokens: 9, completion_tokens: 2 }),
    unknownModel: problem(
      404,
      'The model `gpt-large` does not exist',
      'invalid_request_error',
      'model_not_found',
    ),
    busy: problem(429, 'Rate limit reached for gpt-large', 'requests', 'rate_limit_exceeded'),
    keyRefused: problem(401, 'Incorrect API key provided', 'invalid_request_error', 'invalid_api_key'),
    wrong: problem(400, "'messages' is a required property", 'invalid_request_error'),
  },
  {
    ...{ name: 'anthropic', api: 'anthropic', path: '/v1/messages', keyHeader: 'x-api-key' },
    whole: json(200, {
      ...{ id: 'msg_1', type: 'message', role: 'assistant', model: 'claude-large', stop_sequence: null },
      content: [{ type: 'text', text: 'Hello there' }],
      ...{ stop_reason: 'end_turn', usage: { input_tokens: 9, output_tokens: 2 } },
    }),
    stream: events(
      named('message_start', { message: { id: 'msg_1', type: 'message', role: 'assistant', content: [] } }),
      named('content_block_start', { index: 0, content_block: { type: 'text', text: '' } }),
      named('ping'),
      named('content_block_delta', { index: 0, delta: { type: 'text_delta', text: 'Hello' } }),
      named('content_block_stop', { index: 0 }),
      named('message_delta', { delta: { stop_reason: 'end_turn' }, usage: { output_tokens: 2 } }),
      named('message_stop'),
    ),
    unknownModel: json(404, {
      type: 'error',
      error: { type: 'not_found_error', message: 'model: claude-large' },
    }),
    busy: json(529, { type: 'error', error: { type: 'overloaded_error', message: 'Overloaded' } }),
    keyRefused: json(401, {
      type: 'error',
      error: { type: 'authentication_error', message: 'invalid x-api-key' },
    }),
    wrong: json(400, {
      type: 'error',
      error: { type: 'invalid_request_error', message: 'max_tokens: Field required' },
    }),
  },
];
