/** What the gateway answers: which path, by which method, for whom, and as which kind of task. */
import type { ModelPath, ModelUse } from '@gryphgen/protocol';
import type { ApiScope } from '@gryphgen/runtime';
import { ApiError, type Dialect } from './api-error.ts';

export type Route =
  | { readonly kind: 'health' }
  | { readonly kind: 'metrics'; readonly scope: ApiScope }
  | { readonly kind: 'models'; readonly scope: ApiScope }
  | { readonly kind: 'model'; readonly scope: ApiScope; readonly id: string }
  | {
      readonly kind: 'ask';
      readonly scope: ApiScope;
      readonly use: ModelUse;
      readonly path: ModelPath;
      readonly dialect: Dialect;
    };

const questions: ReadonlyMap<string, Extract<Route, { kind: 'ask' }>> = new Map(
  (
    [
      ['infer', '/v1/chat/completions', 'openai'],
      ['infer', '/v1/completions', 'openai'],
      ['infer', '/v1/responses', 'openai'],
      ['infer', '/v1/messages', 'anthropic'],
      ['embed', '/v1/embeddings', 'openai'],
      ['rerank', '/v1/rerank', 'openai'],
    ] as const
  ).map(([use, path, dialect]) => [path, { kind: 'ask', scope: use, use, path, dialect }]),
);

const documents: ReadonlyMap<string, Route> = new Map<string, Route>([
  ['/health', { kind: 'health' }],
  ['/metrics', { kind: 'metrics', scope: 'metrics' }],
  ['/v1/models', { kind: 'models', scope: 'models' }],
]);
const modelPrefix = '/v1/models/';

/** Throws ApiError: 404 for a path that is not there, 405 for another method than its own. */
export function routeOf(method: string, url: string): Route {
  const path = (url.split('?', 1)[0] ?? '').replace(/(?<=.)\/$/, '');
  const question = questions.get(path);
  const route = question ?? documents.get(path) ?? modelRoute(path);
  if (route === undefined) {
    const there = [...documents.keys(), ...questions.keys()].join(', ');
    throw notThere(404, `there is no ${shown(path)}; there are ${there}`);
  }
  const isRight = question === undefined ? method === 'GET' || method === 'HEAD' : method === 'POST';
  if (isRight) return route;
  const expected = question === undefined ? 'GET' : 'POST';
  throw notThere(405, `found ${method} ${shown(path)}, expected ${expected}`);
}

export function dialectOf(url: string): Dialect {
  return url.startsWith('/v1/messages') ? 'anthropic' : 'openai';
}

function modelRoute(path: string): Route | undefined {
  if (!path.startsWith(modelPrefix)) return undefined;
  try {
    return { kind: 'model', scope: 'models', id: decodeURIComponent(path.slice(modelPrefix.length)) };
  } catch {
    return undefined; // a "%" that begins nothing
  }
}

function notThere(status: number, message: string): ApiError {
  return new ApiError({ status, type: 'invalid_request_error', code: 'unknown_url', message });
}

const shownChars = 100;

function shown(path: string): string {
  return path.length > shownChars ? `${path.slice(0, shownChars)}…` : path;
}
