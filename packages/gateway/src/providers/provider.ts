/**
 * One service of another kind that has models: asked by HTTP as the gateway was asked, with its own key and its own name of the
 * model. OpenAI-compatible ones (OpenAI, vLLM, Ollama, LM Studio, Jan), and Anthropic.
 *
 * 1. Its key is in the headers of what it is asked, and nowhere else: in no error, in no log.
 * 2. Until its first byte a try that failed for a reason that passes is made again, `tries` times in all; after it nothing is.
 * 3. One that fails again and again is not asked for a while (circuit-breaker.ts).
 */
import { failure, GridError, type ModelPath } from '@gryphgen/protocol';
import { type Alarms, type Cancel, type Clock, parseJson, pause } from '@gryphgen/runtime';
import { CircuitBreaker } from './circuit-breaker.ts';

export const providerApis = ['openai', 'anthropic'] as const;
export type ProviderApi = (typeof providerApis)[number];

export interface ProviderOptions {
  readonly name: string;
  readonly api: ProviderApi;
  /** What stands before `/chat/completions`, with its version: https://api.openai.com/v1 */
  readonly url: string;
  readonly key?: string;
  /** Until its first byte, and from then on between two pieces. */
  readonly timeoutMs: number;
}

export interface ProviderDeps {
  readonly clock: Clock;
  readonly alarms: Alarms;
}

export interface ProviderQuestion {
  readonly path: ModelPath;
  /** JSON. */
  readonly request: Uint8Array;
  /** As it is called there. */
  readonly model: string;
  readonly signal: AbortSignal;
}

export interface ProviderAnswer {
  readonly status: number;
  readonly contentType: string;
  /** It says 200 and holds an error alone: so LM Studio answers what it does not know. */
  readonly isError: boolean;
  /** To be taken once; throws GridError where it breaks off. */
  readonly body: AsyncIterable<Uint8Array>;
  /** It is not taken, or no more of it. Idempotent. */
  drop(): void;
}

const tries = 2;
const retryMs = 500;
const anthropicVersion = '2023-06-01';

const pathsOf: Readonly<Record<ProviderApi, readonly ModelPath[]>> = {
  openai: ['/v1/chat/completions', '/v1/completions', '/v1/responses', '/v1/embeddings', '/v1/rerank'],
  anthropic: ['/v1/messages', '/v1/chat/completions'],
};

/** Its key is the operator's to mend: who asks hears nothing of it but that. */
function isKeyRefused(status: number): boolean {
  return status === 401 || status === 403;
}

/** So is what it is named for: whichever model or path the operator meant, it has none. */
function isMisnamed({ status, isError }: ProviderAnswer): boolean {
  return status === 404 || isError;
}

/** Why it is of no use now, whatever was asked; undefined of what is an answer. */
function troubleOf(answer: ProviderAnswer): string | undefined {
  const { status } = answer;
  if (isKeyRefused(status)) return `it refuses the key that it is asked with (${status})`;
  if (isMisnamed(answer)) return `it does not have what it is asked for (${status})`;
  const isPassing = status === 408 || status === 429 || status >= 500;
  return isPassing ? `it answered ${status}` : undefined;
}

export class Provider {
  readonly name: string;
  private readonly options: ProviderOptions;
  private readonly deps: ProviderDeps;
  private readonly breaker: CircuitBreaker;

  constructor(options: ProviderOptions, deps: ProviderDeps) {
    this.name = options.name;
    this.options = options;
    this.deps = deps;
    this.breaker = new CircuitBreaker(deps.clock);
  }

  answers(path: ModelPath): boolean {
    return pathsOf[this.options.api].includes(path);
  }

  /** Rejects with GridError: `lost.link` where another may be asked. A refusal of the question itself is an answer. */
  async ask(question: ProviderQuestion): Promise<ProviderAnswer> {
    const { alarms } = this.deps;
    let last = this.unusable('it has failed too often lately and is not asked now');
    for (let tried = 0; tried < tries && !question.signal.aborted; tried++) {
      if (tried > 0) await pause(alarms, retryMs, question.signal);
      const ends = this.breaker.enter();
      if (ends === undefined) break;
      try {
        const answer = await this.once(question);
        const words = troubleOf(answer);
        ends(words === undefined);
        if (words === undefined) return answer;
        answer.drop();
        last = this.unusable(words);
        if (isKeyRefused(answer.status) || isMisnamed(answer)) break;
      } catch (error) {
        ends(question.signal.aborted);
        if (!(error instanceof GridError)) throw error;
        last = error;
      }
    }
    throw last;
  }

  private async once({ path, request, model, signal }: ProviderQuestion): Promise<ProviderAnswer> {
    const { url, timeoutMs } = this.options;
    const { alarms } = this.deps;
    const [silence, dropped] = [new AbortController(), new AbortController()];
    let cancel: Cancel = () => undefined;
    const heard = (): void => {
      cancel();
      cancel = alarms.after(timeoutMs, () => silence.abort());
    };
    const drop = (): void => {
      cancel();
      dropped.abort();
    };
    heard();
    const broken = (error: unknown): GridError =>
      this.unusable(silence.signal.aborted ? `nothing came for ${timeoutMs / 1000} s` : wordsOf(error));
    let answered: Response;
    try {
      answered = await fetch(`${url}${path.replace(/^\/v1/, '')}`, {
        method: 'POST',
        headers: this.headers(path),
        body: withModel(request, model),
        redirect: 'error',
        signal: AbortSignal.any([signal, silence.signal, dropped.signal]),
      });
    } catch (error) {
      cancel();
      throw broken(error);
    }
    const { status, headers } = answered;
    const contentType = headers.get('content-type') ?? 'application/json';
    let short: Uint8Array | undefined;
    try {
      if (isShortJson(headers)) short = new Uint8Array(await answered.arrayBuffer());
    } catch (error) {
      drop();
      throw broken(error);
    }
    const body = async function* (): AsyncGenerator<Uint8Array, void> {
      try {
        for await (const piece of short === undefined ? (answered.body ?? []) : [short]) {
          heard();
          yield piece;
        }
      } catch (error) {
        throw broken(error);
      } finally {
        drop();
      }
    };
    const isError = status === 200 && short !== undefined && isErrorAlone(short);
    return { status, contentType, isError, body: body(), drop };
  }

  private headers(path: ModelPath): Record<string, string> {
    const { api, key } = this.options;
    const isOwn = api === 'anthropic' && path === '/v1/messages';
    return {
      'content-type': 'application/json',
      ...(isOwn && { 'anthropic-version': anthropicVersion }),
      ...(key !== undefined && (isOwn ? { 'x-api-key': key } : { authorization: `Bearer ${key}` })),
    };
  }

  private unusable(words: string): GridError {
    return new GridError(failure('lost.link', `${this.name}: ${words}`));
  }
}

/** Errors are: of what says how long it is so much may be read before it is passed on. */
const shortBytes = 4096;

function isShortJson(headers: Headers): boolean {
  const length = Number(headers.get('content-length') ?? Number.POSITIVE_INFINITY);
  return length <= shortBytes && (headers.get('content-type') ?? '').startsWith('application/json');
}

function isErrorAlone(body: Uint8Array): boolean {
  const read = parseJson(new TextDecoder().decode(body));
  return typeof read === 'object' && read !== null && Object.keys(read).join() === 'error';
}

/** It was read as JSON when it came. */
function withModel(request: Uint8Array, model: string): string {
  const asked = JSON.parse(new TextDecoder().decode(request)) as object;
  return JSON.stringify({ ...asked, model });
}

/** What `fetch` throws says the reason in its cause. */
function wordsOf(error: unknown): string {
  const cause = error instanceof Error && error.cause instanceof Error ? error.cause : error;
  return cause instanceof Error ? cause.message : String(cause);
}
