/**
 * Asks servers of the web for files that somebody names.
 *
 * 1. A token goes to the origin it is for and to no other, wherever that one's answers lead.
 * 2. From https nothing leads to http, and `mostRedirects` answers in a row lead on at most.
 * 3. What is said of an address is its origin and path: the rest may be a permission.
 */
import { type Failure, failure, GridError } from '@gryphgen/protocol';
import type { Dispatcher } from 'undici';

/** The hub's own files take two. */
const mostRedirects = 8;
const connectMs = 20_000;
/** Silence that is waited out, before the answer and in it. */
const silenceMs = 60_000;
const shownChars = 200;

export interface WebAnswer {
  readonly status: number;
  readonly headers: Readonly<Record<string, string | string[] | undefined>>;
  readonly body: Dispatcher.ResponseData['body'];
  /** Where the answer came from, after all that led there. */
  readonly url: URL;
}

export interface WebQuestion {
  readonly headers?: Readonly<Record<string, string>>;
  readonly token?: WebToken | undefined;
  readonly signal?: AbortSignal | undefined;
}

export interface WebToken {
  readonly origin: string;
  readonly secret: string;
}

/** Proxies, as everybody's programs are told of them. */
export type WebEnvironment = Readonly<Record<string, string | undefined>>;

export class WebClient {
  private readonly dispatcher: Dispatcher;
  private readonly ask: typeof import('undici').request;

  private constructor(dispatcher: Dispatcher, ask: typeof import('undici').request) {
    this.dispatcher = dispatcher;
    this.ask = ask;
  }

  /** Loaded by who asks the web, and by no other command. */
  static async open(env: WebEnvironment): Promise<WebClient> {
    const { Agent, EnvHttpProxyAgent, request } = await import('undici');
    const httpProxy = env.http_proxy || env.HTTP_PROXY;
    const httpsProxy = env.https_proxy || env.HTTPS_PROXY;
    const options = { connect: { timeout: connectMs }, headersTimeout: silenceMs, bodyTimeout: silenceMs };
    const dispatcher =
      httpProxy || httpsProxy
        ? new EnvHttpProxyAgent({
            ...options,
            ...(httpProxy && { httpProxy }),
            ...(httpsProxy && { httpsProxy }),
            noProxy: env.no_proxy || env.NO_PROXY || '',
          })
        : new Agent(options);
    return new WebClient(dispatcher, request);
  }

  /** Resolves with an answer that leads nowhere else; its body is to be read or destroyed. Throws GridError, or the signal's reason. */
  async get(url: URL, { headers = {}, token, signal }: WebQuestion): Promise<WebAnswer> {
    let at = url;
    for (let led = 0; led <= mostRedirects; led++) {
      const isMine = token?.origin === at.origin;
      const mine = {
        // Some answer nobody who does not say who they are.
        ...{ 'user-agent': 'gryphgen', 'accept-encoding': 'identity', ...headers },
        ...(isMine && { authorization: `Bearer ${token.secret}` }),
      };
      const answer = await this.once(at, mine, signal);
      const { statusCode: status, headers: told, body } = answer;
      if (!leadsOn.has(status)) return { status, headers: told, body, url: at };
      dismiss(body);
      at = ledTo(at, told.location);
    }
    throw refused(`${placeOf(url)} leads on more than ${mostRedirects} times and never to a file`);
  }

  close(): Promise<void> {
    return this.dispatcher.destroy();
  }

  private async once(
    url: URL,
    headers: Record<string, string>,
    signal: AbortSignal | undefined,
  ): Promise<Dispatcher.ResponseData> {
    try {
      return await this.ask(url, { dispatcher: this.dispatcher, headers, ...(signal && { signal }) });
    } catch (error) {
      signal?.throwIfAborted();
      throw new GridError(unreached(url, error));
    }
  }
}

const leadsOn: ReadonlySet<number> = new Set([301, 302, 303, 307, 308]);

function ledTo(from: URL, location: string | string[] | undefined): URL {
  const to =
    typeof location === 'string' && URL.canParse(location, from.href) ? new URL(location, from) : undefined;
  if (to === undefined) throw refused(`${placeOf(from)} leads on without saying where`);
  if (to.protocol === 'https:' || (to.protocol === 'http:' && from.protocol === 'http:')) return to;
  throw refused(
    `${placeOf(from)} leads on to ${placeOf(to)}: what was asked by ${from.protocol} comes by no less`,
  );
}

/** On this machine: nobody is on the way. */
export function isHere({ hostname }: URL): boolean {
  return hostname === 'localhost' || hostname === '[::1]' || hostname.startsWith('127.');
}

/** Nobody reads it. */
export function dismiss(body: WebAnswer['body']): void {
  body.on('error', () => undefined).destroy();
}

export function placeOf({ origin, protocol, pathname }: URL): string {
  const all = `${origin === 'null' ? `${protocol}//` : origin}${pathname}`;
  return all.length > shownChars ? `${all.slice(0, shownChars)}…` : all;
}

/** Of an answer that is no file. */
export function refusalOf(url: URL, status: number): Failure {
  const where = placeOf(url);
  if (status === 404 || status === 410)
    return failure('rejected.not-found', `there is no ${where} (HTTP ${status})`);
  if (status === 401 || status === 403)
    return failure(
      'rejected.forbidden',
      `${url.host} does not give ${where} to everybody (HTTP ${status}): of Hugging Face, accept the model's terms and set HF_TOKEN`,
    );
  return failure('execution.input', `${where} answered with HTTP ${status}, expected the file`);
}

function refused(words: string): GridError {
  return new GridError(failure('execution.input', words));
}

/** Of an error of a socket, or of what is on it. */
export function unreached(url: URL, error: unknown): Failure {
  const code = error instanceof Error && 'code' in error ? String(error.code) : '';
  const words = Object.hasOwn(known, code) ? known[code] : undefined;
  const said = error instanceof Error ? error.message : String(error);
  const why = words ?? (/CERT|ISSUER|SIGNATURE/.test(code) ? `${untrusted} (${code})` : said || code);
  return failure('execution.input', `${url.host} was not reached: ${why}`);
}

const untrusted = 'its certificate is none that this machine trusts';
const known: Readonly<Record<string, string>> = {
  ENOTFOUND: 'there is no host of that name',
  EAI_AGAIN: 'names of hosts cannot be looked up now',
  ECONNREFUSED: 'nobody listens there',
  UND_ERR_CONNECT_TIMEOUT: `no connection in ${connectMs / 1000} s`,
  UND_ERR_HEADERS_TIMEOUT: `no answer in ${silenceMs / 1000} s`,
  UND_ERR_BODY_TIMEOUT: `nothing came for ${silenceMs / 1000} s`,
  UND_ERR_SOCKET: 'the connection was closed in the middle',
  ECONNRESET: 'the connection was closed in the middle',
  UND_ERR_RES_CONTENT_LENGTH_MISMATCH: 'it sent another number of bytes than it had said',
};
