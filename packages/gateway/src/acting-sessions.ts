/**
 * Sessions with the broker in the names of others: one for each principal that is served now (E1).
 *
 * 1. What is asked for somebody is asked in a session that acts for them, so the broker holds it to what they may.
 * 2. A session that nobody uses for `idleMs` is closed; when there are `sessions`, the one that rested longest makes room.
 * 3. One that has failed serves nobody else: who asks next has a new one opened.
 */
import { type Answer, Inference, type InferenceAsker, type Question } from '@gryphgen/client';
import { failure, GridError, limits, type ModelDocument } from '@gryphgen/protocol';
import type { Alarms, Cancel, Log } from '@gryphgen/runtime';
import type { Asker, GridDoor } from './grid-door.ts';
import { unlessAborted } from './relay-answer.ts';

/** What of a `Client` is used. */
export type ActingClient = InferenceAsker & { close(): Promise<void> };

export interface ActingOptions {
  readonly connect: (who: Asker) => Promise<ActingClient>;
  readonly alarms: Alarms;
  readonly log: Log;
}

/** Below what one key may have: some are closing while others open. */
const mostSessions = limits.sessionsPerKey - 16;
const idleMs = 5 * 60_000;

interface Session {
  readonly client: ActingClient;
  readonly inference: Inference;
}

interface Held {
  readonly opened: Promise<Session>;
  using: number;
  cancelIdle: Cancel;
}

export class ActingSessions implements GridDoor {
  private readonly options: ActingOptions;
  /** In the order of their last use. */
  private readonly held = new Map<string, Held>();
  private readonly closing = new Set<Promise<void>>();
  private isStopping = false;

  constructor(options: ActingOptions) {
    this.options = options;
  }

  async ask(who: Asker, question: Question, signal: AbortSignal): Promise<Answer> {
    const { held, leave } = this.use(who);
    let answer: Answer;
    try {
      const { inference } = await this.sessionOf(held);
      answer = inference.ask(question, { signal });
    } catch (error) {
      leave();
      throw error;
    }
    answer.task.catch((error: unknown) => this.dropFailed(held, error));
    answer.result.then(leave, leave);
    return answer;
  }

  async models(who: Asker, signal: AbortSignal): Promise<readonly ModelDocument[]> {
    const { held, leave } = this.use(who);
    try {
      const { client } = await this.sessionOf(held);
      return await unlessAborted(client.request('models', {}), signal);
    } catch (error) {
      this.dropFailed(held, error);
      throw error;
    } finally {
      leave();
    }
  }

  /** What is asked in them is given up. */
  async stop(): Promise<void> {
    this.isStopping = true;
    for (const held of [...this.held.values()]) this.drop(held);
    await Promise.all(this.closing);
  }

  private use(who: Asker): { readonly held: Held; readonly leave: () => void } {
    const name = `${who.role} ${who.principal}`;
    const held = this.held.get(name) ?? this.open(who);
    held.cancelIdle();
    held.using += 1;
    this.held.delete(name);
    this.held.set(name, held);
    const leave = (): void => {
      held.using -= 1;
      if (held.using === 0 && this.held.get(name) === held)
        held.cancelIdle = this.options.alarms.after(idleMs, () => this.drop(held));
    };
    return { held, leave };
  }

  /** Throws GridError `rejected.limit` when all there may be are in use. */
  private open(who: Asker): Held {
    if (this.isStopping) throw new GridError(failure('lost.link', 'the gateway is stopping'));
    if (this.held.size >= mostSessions) {
      const resting = [...this.held.values()].find(({ using }) => using === 0);
      if (resting === undefined)
        throw new GridError(
          failure('rejected.limit', `the gateway serves ${mostSessions} principals already`),
        );
      this.drop(resting);
    }
    const opened = this.options
      .connect(who)
      .then((client) => ({ client, inference: new Inference(client, { lends: true }) }));
    return { opened, using: 0, cancelIdle: () => undefined };
  }

  private async sessionOf(held: Held): Promise<Session> {
    try {
      return await held.opened;
    } catch (error) {
      this.drop(held);
      throw error;
    }
  }

  /** The client has given up, or its key is let in no more. */
  private dropFailed(held: Held, error: unknown): void {
    const isOver =
      error instanceof GridError &&
      (error.code === 'lost.broker' || error.code === 'lost.link' || error.code === 'rejected.forbidden');
    if (isOver) this.drop(held);
  }

  private drop(held: Held): void {
    for (const [name, one] of this.held) if (one === held) this.held.delete(name);
    held.cancelIdle();
    const closing = held.opened
      .then(async ({ client, inference }) => {
        await inference.close();
        await client.close();
      })
      .catch((error: unknown) => this.options.log.debug({ err: error }, 'a session was not closed'))
      .finally(() => this.closing.delete(closing));
    this.closing.add(closing);
  }
}
