/**
 * What a worker asks its broker: where an artifact is. A question is asked again in each new session, and every
 * `againMs`, until it is answered or nobody waits for it any more.
 */
import {
  type Failure,
  failure,
  type Operation,
  type Reply,
  type RequestArgs,
  type RequestResults,
  type ToBroker,
} from '@gryphgen/protocol';
import type { Alarms, Cancel } from '@gryphgen/runtime';

const againMs = 5000;
/** Each stands for a transfer of an attempt: more are told to wait. */
const maxWaiting = 256;

interface Waiting {
  readonly op: Operation;
  readonly args: unknown;
  readonly answer: (result: unknown, why: Failure | null) => void;
}

/** What of a link this needs. */
export interface QuestionLink {
  readonly broker: { readonly endpoint: string } | undefined;
  send(message: ToBroker): unknown;
}

export class BrokerQuestions {
  private readonly link: QuestionLink;
  private readonly alarms: Alarms;
  private readonly waiting = new Map<number, Waiting>();
  private next = 1;
  private cancelAgain: Cancel | undefined;

  constructor(link: QuestionLink, alarms: Alarms) {
    this.link = link;
    this.alarms = alarms;
  }

  /** By which this worker talks to its broker now. */
  get brokerEndpoint(): string {
    return this.link.broker?.endpoint ?? '';
  }

  /** The answer, or why there is none. */
  ask<O extends Operation>(
    op: O,
    args: RequestArgs<O>,
    signal: AbortSignal,
  ): Promise<RequestResults[O] | Failure> {
    if (this.waiting.size >= maxWaiting)
      return Promise.resolve(failure('lost.link', `${maxWaiting} questions wait for the broker`));
    const id = this.next++;
    return new Promise((resolve) => {
      const done = (result: RequestResults[O] | Failure): void => {
        this.waiting.delete(id);
        signal.removeEventListener('abort', gone);
        resolve(result);
      };
      const gone = (): void => done(failure('cancelled.user', 'nobody waits for the broker any more'));
      signal.addEventListener('abort', gone);
      const answer = (result: unknown, why: Failure | null): void =>
        done(why ?? (result as RequestResults[O]));
      this.waiting.set(id, { op, args, answer });
      if (signal.aborted) gone();
      else {
        this.link.send({ kind: 'request', id, op, args });
        this.askAgainLater();
      }
    });
  }

  onReply({ id, result, failure: why }: Reply): void {
    this.waiting.get(id)?.answer(result, why);
  }

  /** In a new session, of which no answer to an older one comes. */
  askAgain(): void {
    for (const [id, { op, args }] of this.waiting) this.link.send({ kind: 'request', id, op, args });
  }

  close(): void {
    this.cancelAgain?.();
    for (const { answer } of [...this.waiting.values()])
      answer(null, failure('lost.worker', 'this worker is being stopped'));
  }

  private askAgainLater(): void {
    this.cancelAgain ??= this.alarms.after(againMs, () => {
      this.cancelAgain = undefined;
      this.askAgain();
      if (this.waiting.size > 0) this.askAgainLater();
    });
  }
}
