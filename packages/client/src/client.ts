/**
 * The SDK: submit tasks to a grid, wait for them, ask it questions. One Client is one session at a time over one
 * connection; many callers may share it.
 *
 * 1. A broker that goes away is no error: everything pending is repeated when it is back, and takes effect once.
 *    Only after `patienceMs` without a session, or when every broker turns its key away, does it fail, with what the
 *    link knows of the reason, and the client is of no use any more.
 * 2. Errors are GridError; a task that failed is an Outcome, not an error.
 */
import type { Changed, Failure, Operation, RequestArgs, RequestResults, TaskId } from '@gryphgen/protocol';
import { failure, GridError } from '@gryphgen/protocol';
import { type Cancel, type DuplexSession, Link, type LinkOptions, UselessPlaces } from '@gryphgen/runtime';
import type { SubmitOptions, Submitted, WatchOptions } from './calls.ts';
import type { ClientEffect } from './core/effects.ts';
import type { ClientEvent } from './core/events.ts';
import { type ClientBounds, type ClientState, createClientState, defaultBounds } from './core/state.ts';
import { composeClientHello, stepClient } from './core/step.ts';
import { type ExecOptions, execBeside } from './exec.ts';
import { type LogOptions, readTaskLog } from './logs.ts';
import {
  type Deferred,
  deferred,
  failPending,
  type Outcome,
  outcomeOf,
  ownBytes,
  type Pending,
} from './pending.ts';
import { type EncodedTask, prepareTask, type TaskSpec } from './prepare.ts';
import { silence } from './silence.ts';

/** Room for a hello on a busy machine; longer, and there is no broker. */
const defaultFirstSessionMs = 10_000;
/** Room for a broker to be restarted, or its machine. */
const defaultPatienceMs = 10 * 60_000;
/** The first may come of a key that is being added. */
const roundsTurnedAway = 2;
const clientIdBytes = 12;

export interface ClientOptions extends Omit<LinkOptions<'toClient'>, 'direction'> {
  readonly bounds?: Partial<ClientBounds>;
  /** Longest wait for the first session. */
  readonly firstSessionMs?: number;
  /** Longest time without a session after that, before everything pending fails. */
  readonly patienceMs?: number;
  /** Told when the session is lost (with the reason) and when there is one again. What it throws is logged. */
  readonly onConnection?: (state: 'open' | 'lost', reason: string) => void;
}

type Waiting = Exclude<Pending, { kind: 'request' }>;

export class Client {
  private readonly options: ClientOptions;
  private readonly state: ClientState;
  private readonly link: Link<'toClient'>;
  private readonly pending = new Map<number, Pending>();
  private readonly opened = deferred<void>();
  /** Aborted when this client is of no use any more: what reads logs holds connections of its own. */
  private readonly ended = new AbortController();
  /** Workers that could not be connected to lately: they are had through the relay. */
  readonly unreached: UselessPlaces;
  private nextRef = 1;
  private session = '';
  private roomFor: Deferred<void> | undefined;
  private cancelTick: Cancel = () => undefined;
  private cancelPatience: Cancel = () => undefined;

  /** Nothing is connected before `start`. */
  constructor(options: ClientOptions) {
    this.options = options;
    this.unreached = new UselessPlaces(options.clock);
    const id = options.random.bytes(clientIdBytes).toString('base64url');
    this.state = createClientState(id as ClientState['client'], { ...defaultBounds, ...options.bounds });
    this.link = new Link(
      { ...options, direction: 'toClient' },
      {
        hello: () => composeClientHello(this.state),
        onOpen: ({ session, timers }) => {
          this.cancelPatience();
          this.session = session;
          this.do({ kind: 'sessionOpened', session, timers });
          this.opened.resolve();
          this.tellConnection('open', '');
        },
        onMessage: (message) => this.do({ kind: 'message', session: this.session, message }),
        onClosed: (reason) => {
          this.do({ kind: 'sessionClosed' });
          this.losePatienceAfter(options.patienceMs ?? defaultPatienceMs);
          this.tellConnection('lost', reason);
        },
        onRefused: (why) => this.giveUp(why),
        onTurnedAway: (why, times) => {
          if (times >= roundsTurnedAway * options.brokers.length) this.leave(why);
        },
      },
    );
  }

  /**
   * Resolves with the first session. Rejects: refused, turned away (`rejected.forbidden`), or when none came in time
   * with the link's last trouble; `lost.broker` when nobody answered.
   */
  start(): Promise<void> {
    this.losePatienceAfter(this.options.firstSessionMs ?? defaultFirstSessionMs);
    this.tick();
    this.link.start();
    return this.opened.promise;
  }

  /** Says goodbye. What is pending fails with `lost.link`, readers of logs included; tasks go on. Idempotent. */
  async close(): Promise<void> {
    this.giveUp(failure('lost.link', 'this client was closed'));
    await this.link.stop();
  }

  /**
   * Fails with `rejected.invalid` before anything is sent when the task makes no sense, with `rejected.limit` when too
   * many submissions are unanswered: await `room()` between submissions to go as fast as the grid does.
   */
  submit(task: TaskSpec | EncodedTask, { key = '', signal, onChange }: SubmitOptions = {}): Submitted {
    const { envelopeBytes, bodyBytes } = 'envelopeBytes' in task ? task : prepareTask(task);
    const accepted = deferred<TaskId>();
    const finished = deferred<Outcome>();
    const ref = this.owe({ kind: 'submission', accepted, finished, onChange });
    const progress = onChange !== undefined;
    this.do({ kind: 'submit', ref, key, envelope: envelopeBytes, body: bodyBytes, progress });
    if (signal !== undefined) this.cancelWhen(signal, accepted.promise, finished.promise);
    return { accepted: accepted.promise, finished: finished.promise };
  }

  /** Resolves when another submission can be taken. */
  room(): Promise<void> {
    const room = this.roomFor ?? deferred<void>();
    this.roomFor = room;
    this.do({ kind: 'wantRoom' });
    return room.promise;
  }

  /** Waits for a task's end, whoever submitted it. Rejects with `rejected.not-found` for one that never was. */
  watch(task: TaskId, { onChange, signal }: WatchOptions = {}): Promise<Outcome> {
    const finished = deferred<Outcome>();
    const ref = this.owe({ kind: 'watch', finished, onChange });
    this.do({ kind: 'watch', ref, task, progress: onChange !== undefined });
    if (signal !== undefined) this.forgetWhen(signal, ref, finished);
    return finished.promise;
  }

  /** Asks or orders; the answer's shape is RequestResults[op]. Rejects with the broker's refusal. */
  request<O extends Operation>(
    op: O,
    args: RequestArgs<O>,
    signal?: AbortSignal,
  ): Promise<RequestResults[O]> {
    const replied = deferred<unknown>();
    const ref = this.owe({ kind: 'request', replied });
    this.do({ kind: 'request', ref, op, args });
    if (signal !== undefined) this.forgetWhen(signal, ref, replied);
    return replied.promise as Promise<RequestResults[O]>;
  }

  /**
   * A task's output as it comes, stdout and stderr as one stream. Without `follow` it is what there is now of the latest
   * attempt; with it, it goes on until the task ends, over all its attempts. Throws GridError when it cannot be read:
   * `rejected.not-found` for a task that never was or whose output is no longer kept, `lost.*` when its worker or the grid is away.
   */
  async *logs(task: TaskId, options: LogOptions = {}): AsyncGenerator<Uint8Array, void> {
    const { signal } = options;
    const ended = this.ended.signal;
    const either = signal === undefined ? ended : AbortSignal.any([ended, signal]);
    yield* readTaskLog(this, this.options.alarms, task, { ...options, signal: either });
    if (ended.aborted && !signal?.aborted) throw ended.reason;
  }

  /** Runs a command in a running task's container; the session outlives this client and the broker. Errors: exec.ts. */
  exec(task: TaskId, options: ExecOptions): Promise<DuplexSession> {
    return execBeside(this, this.options.alarms, task, options);
  }

  get brokerEndpoint(): string {
    return this.link.broker?.endpoint ?? '';
  }

  private owe(pending: Pending): number {
    const ref = this.nextRef;
    this.nextRef += 1;
    this.pending.set(ref, pending);
    return ref;
  }

  private cancelWhen(signal: AbortSignal, accepted: Promise<TaskId>, finished: Promise<Outcome>): void {
    const cancel = (): void => {
      // A refusal to cancel leaves the task as it is; its end is told by `finished` in any case.
      accepted.then((task) => this.request('cancel', { task })).catch(() => undefined);
    };
    const done = (): void => signal.removeEventListener('abort', cancel);
    finished.then(done, done);
    if (signal.aborted) cancel();
    else signal.addEventListener('abort', cancel, { once: true });
  }

  private forgetWhen<T>(signal: AbortSignal, ref: number, { promise, reject }: Deferred<T>): void {
    const forget = (): void => {
      this.do({ kind: 'forget', ref });
      this.pending.delete(ref);
      reject(signal.reason);
    };
    const done = (): void => signal.removeEventListener('abort', forget);
    promise.then(done, done);
    if (signal.aborted) forget();
    else signal.addEventListener('abort', forget, { once: true });
  }

  private do(event: ClientEvent): void {
    const effects = stepClient(this.state, event, { mono: this.options.clock.mono() });
    for (const effect of effects) this.perform(effect);
  }

  private perform(effect: ClientEffect): void {
    switch (effect.kind) {
      case 'send':
        // What the link cannot take now is repeated like anything unanswered.
        this.link.send(effect.message);
        break;
      case 'room':
        this.roomFor?.resolve();
        this.roomFor = undefined;
        break;
      case 'full':
        this.settle(effect.ref, fullFailure(effect.bound));
        break;
      case 'failed':
        this.settle(effect.ref, effect.failure);
        break;
      default:
        this.answer(effect);
    }
  }

  private answer(
    effect: Extract<ClientEffect, { kind: 'accepted' | 'finished' | 'changed' | 'replied' }>,
  ): void {
    const pending = this.pending.get(effect.ref);
    if (pending === undefined) return;
    if (effect.kind === 'accepted') {
      if (pending.kind === 'submission') pending.accepted.resolve(effect.task);
    } else if (effect.kind === 'changed') {
      if (pending.kind !== 'request') this.tellChange(effect.ref, pending, effect.message);
    } else {
      this.pending.delete(effect.ref);
      if (effect.kind === 'replied' && pending.kind === 'request')
        pending.replied.resolve(ownBytes(effect.result));
      else if (effect.kind === 'finished' && pending.kind !== 'request') {
        const why = effect.message.failure;
        if (why?.code === 'rejected.not-found') pending.finished.reject(new GridError(why));
        else pending.finished.resolve(outcomeOf(effect.message));
      }
    }
  }

  /** What a caller's function throws is the caller's: it must not end the connection that others share. */
  private tellChange(ref: number, { onChange, finished }: Waiting, change: Changed): void {
    try {
      onChange?.(change);
    } catch (error) {
      this.pending.delete(ref);
      this.do({ kind: 'forget', ref });
      finished.reject(error);
    }
  }

  private tellConnection(state: 'open' | 'lost', reason: string): void {
    try {
      this.options.onConnection?.(state, reason);
    } catch (error) {
      this.options.log.error({ err: error }, 'onConnection has thrown');
    }
  }

  private settle(ref: number, why: Failure): void {
    const pending = this.pending.get(ref);
    if (pending === undefined) return;
    this.pending.delete(ref);
    failPending(pending, new GridError(why));
  }

  private giveUp(why: Failure): void {
    this.cancelTick();
    this.cancelPatience();
    this.do({ kind: 'refused', failure: why });
    this.opened.reject(new GridError(why));
    this.ended.abort(new GridError(why));
  }

  private losePatienceAfter(ms: number): void {
    const { alarms, brokers } = this.options;
    this.cancelPatience();
    this.cancelPatience = alarms.after(ms, () => {
      const { trouble, hungUpAt } = this.link;
      const isSilence = trouble === undefined || trouble.code === 'lost.broker';
      this.leave(isSilence ? silence(brokers, ms, hungUpAt) : trouble);
    });
  }

  private leave(why: Failure): void {
    this.giveUp(why);
    void this.link.stop();
  }

  private tick(): void {
    this.cancelTick = this.options.alarms.after(this.state.timers.tickMs, () => {
      this.tick();
      this.do({ kind: 'tick' });
    });
  }
}

function fullFailure(bound: keyof ClientBounds): Failure {
  return failure('rejected.limit', `this client's bound of ${bound} is reached: await room() first`);
}
