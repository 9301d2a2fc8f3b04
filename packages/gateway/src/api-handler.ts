/**
 * What each route does, for whom, and what is counted of it.
 *
 * 1. A request is refused for its key before anything of it is read, and counts as under way while it is read.
 */

import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Question } from '@gryphgen/client';
import { formatQuestionId, GridError } from '@gryphgen/protocol';
import type { Alarms, ApiKey, ApiKeys, Clock, Log, Random } from '@gryphgen/runtime';
import { Admission, type Admitted } from './admission.ts';
import { ApiError, problemOf } from './api-error.ts';
import { dialectOf, type Route, routeOf } from './api-routes.ts';
import { Exchange } from './exchange.ts';
import type { GatewayBounds } from './gateway-bounds.ts';
import { GatewayMetrics } from './gateway-metrics.ts';
import type { GridDoor, ListedModel } from './grid-door.ts';
import { HeldBodies } from './held-bodies.ts';
import { keyHolder } from './key-holder.ts';
import { modelList, modelObject, unknownModel } from './model-list.ts';
import { type QuestionBody, readQuestion } from './question-body.ts';
import { relayAnswer, unlessAborted } from './relay-answer.ts';

export interface HandlerOptions {
  readonly door: GridDoor;
  readonly keys: ApiKeys;
  readonly bounds: GatewayBounds;
  readonly clock: Clock;
  readonly alarms: Alarms;
  readonly random: Random;
  readonly log: Log;
}

/** In each id, so that those of an earlier life of the gateway are others. */
const lifeBytes = 5;

export class ApiHandler {
  readonly metrics: GatewayMetrics;
  private readonly options: HandlerOptions;
  private readonly admission: Admission;
  private readonly bodies: HeldBodies;
  private readonly open = new Set<Exchange>();
  private readonly life: string;
  private taken = 0;

  constructor(options: HandlerOptions) {
    this.options = options;
    this.life = options.random.bytes(lifeBytes).toString('hex');
    this.admission = new Admission(options.clock, options.bounds.requests);
    this.bodies = new HeldBodies(options.bounds.heldBytes);
    this.metrics = new GatewayMetrics(() => this.admission.open);
  }

  /** Resolves when it is answered; never rejects. `goOn`: the client waits to be told to send its body. */
  async handle(request: IncomingMessage, response: ServerResponse, goOn?: () => void): Promise<void> {
    const { clock, log } = this.options;
    const began = clock.mono();
    const exchange = new Exchange(request, response, this.nextId());
    this.open.add(exchange);
    try {
      await this.answer(exchange, goOn);
    } catch (error) {
      const unexpected = exchange.fail(error);
      if (unexpected !== undefined) log.error({ err: unexpected, route: exchange.route }, 'a request failed');
    } finally {
      this.open.delete(exchange);
      this.metrics.ended(exchange.route, exchange.status, clock.mono() - began);
      this.closeStalled(response);
    }
  }

  private nextId(): string {
    this.taken += 1;
    return `req-${this.life}${this.taken.toString(16).padStart(6, '0')}`;
  }

  /** Its last bytes are for a client that may take none any more. */
  private closeStalled(response: ServerResponse): void {
    if (response.writableFinished || response.closed) return;
    // The system has all of it.
    if (response.writableEnded && response.writableLength === 0) return;
    const { alarms, bounds } = this.options;
    response.once(
      'close',
      alarms.after(bounds.stallMs, () => this.giveUp(response)),
    );
  }

  /** Who takes nothing cannot be told so: it is counted. */
  private giveUp(response: ServerResponse): void {
    this.metrics.badConnection('answer not taken');
    response.destroy();
  }

  /** Ends what is under way, in words. */
  endAll(message: string): void {
    const why = new ApiError({ status: 503, type: 'server_error', code: 'gateway_stopping', message });
    for (const exchange of this.open) exchange.end(why);
  }

  private async answer(exchange: Exchange, goOn: (() => void) | undefined): Promise<void> {
    const { method = '', url = '', headers } = exchange.request;
    exchange.dialect = dialectOf(url);
    const route = routeOf(method, url);
    exchange.route = route.kind === 'ask' ? route.path : route.kind;
    if (route.kind === 'health') {
      exchange.document({ status: 'ok' });
      return;
    }
    const { keys, clock } = this.options;
    const key = keyHolder(headers, route.scope, keys, clock);
    const admitted = this.admission.enter(key);
    try {
      if (route.kind !== 'ask') await this.tell(exchange, route, key);
      else await this.ask(exchange, route, key, goOn).then(admitted.answered);
    } catch (error) {
      throw withRetryAfter(error, admitted);
    } finally {
      admitted.leave();
    }
  }

  private async tell(
    exchange: Exchange,
    route: Exclude<Route, { kind: 'ask' | 'health' }>,
    key: ApiKey,
  ): Promise<void> {
    if (route.kind === 'metrics') {
      exchange.text(this.metrics.contentType, await this.metrics.text());
      return;
    }
    const models = await unlessAborted(this.options.door.models(key, exchange.signal), exchange.signal);
    if (route.kind === 'models') exchange.document(modelList(models));
    else {
      const model = models.find(({ name }) => name === route.id);
      if (model === undefined) throw unknownModel(route.id, models);
      exchange.document(modelObject(model));
    }
  }

  private async ask(
    exchange: Exchange,
    { use, path }: Extract<Route, { kind: 'ask' }>,
    key: ApiKey,
    goOn: (() => void) | undefined,
  ): Promise<void> {
    goOn?.();
    const held = this.bodies.open(key.id);
    try {
      const most = Math.min(key.bodyBytes ?? Infinity, this.options.bounds.bodyBytes);
      await this.askFor(exchange, { use, path }, key, await readQuestion(exchange.request, most, held));
    } finally {
      held.release();
    }
  }

  private async askFor(
    exchange: Exchange,
    { use, path }: Pick<Extract<Route, { kind: 'ask' }>, 'use' | 'path'>,
    key: ApiKey,
    { model, request, isStream }: QuestionBody,
  ): Promise<void> {
    const { bounds, alarms } = this.options;
    const { priority } = key;
    const question = {
      kind: use,
      model,
      path,
      request,
      name: key.name,
      party: key.id,
      ...(priority !== undefined && { priority }),
    };
    const cancel = alarms.after(bounds.firstByteMs, () => exchange.end(tooLate(bounds.firstByteMs)));
    try {
      await this.relay(exchange, question, key, isStream, cancel);
    } catch (error) {
      throw await this.moreOf(error, exchange, key, model);
    } finally {
      cancel();
    }
  }

  private async relay(
    exchange: Exchange,
    question: Question,
    key: ApiKey,
    isStream: boolean,
    onHead: () => void,
  ): Promise<void> {
    const { door, alarms, bounds, clock } = this.options;
    const { signal, response, route } = exchange;
    const began = clock.mono();
    const accepted = async () => {
      const answer = await door.ask(key, question, signal);
      answer.result.then(
        ({ tokens }) => tokens && this.metrics.used(question.model, tokens),
        () => undefined, // told by its body
      );
      return { answer, task: await answer.task };
    };
    const { answer, task } = await unlessAborted(accepted(), signal);
    if (task !== undefined) exchange.task = formatQuestionId(task, answer.question);
    await relayAnswer(answer, {
      response,
      signal,
      clock,
      alarms,
      stallMs: bounds.stallMs,
      onStalled: () => this.giveUp(response),
      waiting: isStream ? { everyMs: bounds.waitingMs, model: question.model } : undefined,
      onFirstByte: () => {
        onHead();
        this.metrics.firstByte(route, answer.way, clock.mono() - began);
      },
      onBytes: (count) => this.metrics.answered(route, count),
    });
  }

  /** A model that the grid has not: which it has. Else what it was. */
  private async moreOf(error: unknown, exchange: Exchange, key: ApiKey, model: string): Promise<unknown> {
    const isRefused = error instanceof GridError && error.code.startsWith('rejected.');
    if (!isRefused || exchange.response.headersSent) return error;
    let models: readonly ListedModel[];
    try {
      models = await unlessAborted(this.options.door.models(key, exchange.signal), exchange.signal);
    } catch {
      return error; // the first one says more
    }
    return models.some(({ name }) => name === model) ? error : unknownModel(model, models);
  }
}

/** What there is no room for now is told when there may be. */
function withRetryAfter(error: unknown, admitted: Admitted): unknown {
  const isKnown = error instanceof ApiError || error instanceof GridError;
  const { problem } = problemOf(error);
  if (!isKnown || problem.status !== 429) return error;
  return new ApiError({ ...problem, retryAfterS: admitted.retryAfterS() }, error);
}

function tooLate(ms: number): ApiError {
  const message = `no answer has begun within ${ms / 60_000} minutes`;
  return new ApiError({ status: 504, type: 'server_error', code: 'no_answer', message });
}
