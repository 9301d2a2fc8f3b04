/**
 * One request and its answer.
 *
 * 1. It has an id from the start, in `x-request-id`: that of its task as soon as there is one, by which `grid explain` knows it.
 * 2. Whatever ends it ends its task: a client that leaves, a wait that is over, a gateway that stops.
 * 3. It is told one end. Before the first byte of an answer that is an error with its status; after it, an event of the
 *    stream, or a connection that breaks off, so that nobody takes a part for the whole.
 */
import type { IncomingMessage, ServerResponse } from 'node:http';
import { type ApiProblem, type Dialect, errorBody, errorEvent, problemOf } from './api-error.ts';
import { clientLeft } from './gateway-metrics.ts';
import { isEventStream } from './relay-answer.ts';

/** Of a body that is refused. */
const mostUnreadBytes = 1024 * 1024;

class ClientLeft extends Error {
  constructor() {
    super('the client has left');
    this.name = 'ClientLeft';
  }
}

export class Exchange {
  readonly request: IncomingMessage;
  readonly response: ServerResponse;
  /** As counters call it. */
  route = 'none';
  dialect: Dialect = 'openai';
  private taskId = '';
  private failedAs: number | undefined;
  private readonly ending = new AbortController();

  constructor(request: IncomingMessage, response: ServerResponse, id: string) {
    this.request = request;
    this.response = response;
    response.setHeader('x-request-id', id);
    response.once('close', () => {
      if (!response.writableFinished) this.end(new ClientLeft());
    });
  }

  get signal(): AbortSignal {
    return this.ending.signal;
  }

  private get hasLeft(): boolean {
    return this.signal.reason instanceof ClientLeft;
  }

  /** How it ended: of an answer that broke off, what it would have been refused with. */
  get status(): number {
    return this.hasLeft ? clientLeft : (this.failedAs ?? this.response.statusCode);
  }

  set task(id: string) {
    this.taskId = id;
    if (!this.response.headersSent) this.response.setHeader('x-request-id', id);
  }

  end(why: Error): void {
    this.ending.abort(why);
  }

  document(body: object): void {
    this.text('application/json', JSON.stringify(body));
  }

  text(contentType: string, text: string): void {
    this.response.setHeader('content-type', contentType);
    this.response.setHeader('content-length', Buffer.byteLength(text));
    this.response.end(text);
  }

  /** What was thrown, or why it was ended. Returns the error if nobody expected it. */
  fail(thrown: unknown): unknown {
    const { response, signal, dialect } = this;
    if (this.hasLeft || response.destroyed) return undefined;
    const error = signal.aborted ? signal.reason : thrown;
    const { problem, unexpected } = problemOf(error);
    this.failedAs = problem.status;
    const told =
      this.taskId === '' ? problem : { ...problem, message: `${problem.message} (task ${this.taskId})` };
    if (!response.headersSent) this.refuse(told);
    else if (isEventStream(response.getHeader('content-type'))) response.end(errorEvent(told, dialect));
    else response.destroy();
    return unexpected ? error : undefined;
  }

  private refuse(problem: ApiProblem): void {
    const { status, retryAfterS } = problem;
    this.response.statusCode = status;
    if (retryAfterS !== undefined) this.response.setHeader('retry-after', retryAfterS);
    if (status === 401) this.response.setHeader('www-authenticate', 'Bearer');
    if (!this.mayGoOn()) this.response.setHeader('connection', 'close');
    this.document(errorBody(problem, this.dialect));
  }

  /** What is left of the request is read and thrown away, if it is little: else the connection ends with the answer. */
  private mayGoOn(): boolean {
    const { complete, headers } = this.request;
    const length =
      headers['transfer-encoding'] === undefined ? Number(headers['content-length'] ?? 0) : Infinity;
    return complete || length <= mostUnreadBytes;
  }
}
