/**
 * What a client is told when it does not get what it asked for: OpenAI's shape, or Anthropic's where it asked by that API.
 *
 * 1. The status says whose turn it is: 4xx the client's, 429 the client's a little later, 5xx the grid's.
 * 2. What nobody expected is logged in full and told as `internal.bug`, without its words.
 */
import { type Failure, type FailureCode, familyOf, GridError } from '@gryphgen/protocol';

export interface ApiProblem {
  readonly status: number;
  /** OpenAI's families of errors; client libraries choose their class by the status. */
  readonly type: string;
  /** For programs: `model_not_found`, or the code of the grid's failure. */
  readonly code: string;
  /** The field that is wrong. */
  readonly param?: string;
  readonly message: string;
  /** When to ask again. */
  readonly retryAfterS?: number;
}

export class ApiError extends Error {
  readonly problem: ApiProblem;

  constructor(problem: ApiProblem, cause?: unknown) {
    super(problem.message, cause === undefined ? undefined : { cause });
    this.name = 'ApiError';
    this.problem = problem;
  }
}

export function badRequest(message: string, param?: string): ApiError {
  const said = { status: 400, type: 'invalid_request_error', code: 'invalid_request', message };
  return new ApiError(param === undefined ? said : { ...said, param });
}

const typesByStatus: Readonly<Record<number, string>> = {
  400: 'invalid_request_error',
  401: 'authentication_error',
  403: 'permission_error',
  404: 'not_found_error',
  429: 'rate_limit_error',
};
const soonS = 1;

/** What was thrown, as it is told. `unexpected`: it is to be logged. */
export function problemOf(error: unknown): { readonly problem: ApiProblem; readonly unexpected: boolean } {
  if (error instanceof ApiError) return { problem: error.problem, unexpected: false };
  if (error instanceof GridError)
    return { problem: problemOfFailure(error.failure), unexpected: error.code === 'internal.bug' };
  const message = 'the gateway has made a mistake; its log says which';
  return { problem: { status: 500, type: 'server_error', code: 'internal.bug', message }, unexpected: true };
}

function problemOfFailure({ code, message }: Failure): ApiProblem {
  const status = statusOf(code);
  const told = { status, type: typesByStatus[status] ?? 'server_error', code, message };
  // Asked again a second later it would be refused again: that takes another machine.
  const isSoon = status === 429 || (status === 503 && code !== 'rejected.impossible');
  return isSoon ? { ...told, retryAfterS: soonS } : told;
}

/** HTTP's word for a failure of the grid. */
function statusOf(code: FailureCode): number {
  switch (code) {
    case 'rejected.invalid':
      return 400;
    case 'rejected.forbidden':
      return 403;
    case 'rejected.not-found':
      return 404;
    case 'rejected.key-conflict':
    case 'rejected.state':
      return 409;
    case 'rejected.limit':
      return 429;
    case 'rejected.version':
      return 502;
    case 'unplaceable.timeout':
    case 'execution.timeout':
      return 504;
    case 'rejected.impossible':
    case 'lost.broker':
      return 503;
    default:
  }
  switch (familyOf(code)) {
    case 'rejected':
      return 400;
    case 'cancelled':
    case 'unplaceable':
      return 503;
    case 'lost':
    case 'execution':
      return 502;
    case 'internal':
      return 500;
  }
}

/** Whose API was asked. */
export type Dialect = 'openai' | 'anthropic';

export function errorBody({ type, code, param, message }: ApiProblem, dialect: Dialect): object {
  return dialect === 'anthropic'
    ? { type: 'error', error: { type: type === 'server_error' ? 'api_error' : type, message } }
    : { error: { message, type, param: param ?? null, code } };
}

/** In a stream that has begun: what client libraries of either API take as its failure. */
export function errorEvent(problem: ApiProblem, dialect: Dialect): string {
  const body =
    dialect === 'anthropic' ? errorBody(problem, dialect) : { type: 'error', ...errorBody(problem, dialect) };
  return `event: error\ndata: ${JSON.stringify(body)}\n\n`;
}
