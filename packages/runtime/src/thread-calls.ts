/**
 * Calls into a worker thread: a number per call, answered in order. Both ends of one small protocol.
 *
 * 1. Errors of one class cross as data: their code and message. Anything else thrown in the thread is a bug and ends it.
 * 2. When the thread ends, every open call is rejected, and so is every later one.
 * 3. What crosses are tuples: an object's keys are written, looked up and added one by one, while a commit waits.
 */
import {
  type MessagePort,
  parentPort,
  type ResourceLimits,
  type Transferable,
  Worker,
} from 'node:worker_threads';

/** What a thread offers, by name. */
export type Operations = Readonly<Record<string, (args: never) => unknown>>;

/** What crosses. It has the codes `io` (the thread has failed) and `closed` (it has ended). */
export type ThreadError = new (
  code: never,
  message: string,
  cause?: unknown,
) => Error & { readonly code: string };

type Call = readonly [id: number, op: string, args: unknown];

type Answer =
  | readonly [id: number, value: unknown]
  | readonly [id: number, value: null, code: string, message: string];

interface OpenCall {
  readonly resolve: (value: never) => void;
  readonly reject: (error: Error) => void;
}

/** The calling end. */
export class ThreadCalls<Offered extends Operations> {
  readonly #worker: Worker;
  readonly #error: ThreadError;
  readonly #open = new Map<number, OpenCall>();
  #lastId = 0;
  #ended: Error | undefined;

  constructor(entry: URL, name: string, error: ThreadError, resourceLimits: ResourceLimits = {}) {
    this.#error = error;
    this.#worker = new Worker(entry, { name, resourceLimits });
    this.#worker.on('message', (answer: Answer) => this.#settle(answer));
    this.#worker.on('error', (cause) =>
      this.#end(this.#made('io', `The ${name} thread failed: ${cause}`, cause)),
    );
    this.#worker.on('exit', () => this.#end(this.#made('closed', `The ${name} thread has ended.`)));
  }

  call<Name extends keyof Offered & string>(
    op: Name,
    args: Parameters<Offered[Name]>[0],
    transfer: readonly Transferable[] = [],
  ): Promise<Awaited<ReturnType<Offered[Name]>>> {
    if (this.#ended !== undefined) return Promise.reject(this.#ended);
    this.#lastId += 1;
    const call: Call = [this.#lastId, op, args];
    return new Promise((resolve, reject) => {
      this.#open.set(call[0], { resolve, reject });
      this.#worker.postMessage(call, transfer);
    });
  }

  async end(): Promise<void> {
    await this.#worker.terminate();
  }

  #settle(answer: Answer): void {
    const [id, value] = answer;
    const call = this.#open.get(id);
    if (call === undefined) throw new Error(`answer ${id} to no call`);
    this.#open.delete(id);
    if (answer.length === 2) call.resolve(value as never);
    else call.reject(this.#made(answer[2], answer[3]));
  }

  #made(code: string, message: string, cause?: unknown): Error {
    return new this.#error(code as never, message, cause);
  }

  #end(why: Error): void {
    this.#ended ??= why;
    for (const { reject } of this.#open.values()) reject(this.#ended);
    this.#open.clear();
  }
}

/** The answering end: serves until the thread is terminated. `afterwards` runs when an answer has been sent. */
export function serve(operations: Operations, error: ThreadError, afterwards?: () => void): void {
  const port = parentPort;
  if (port === null) throw new Error('this module is the entry of a worker thread');
  let turn: Promise<void> = Promise.resolve();
  port.on('message', (call: Call) => {
    turn = turn.then(() => answer(port, operations, error, call)).then(afterwards);
  });
}

async function answer(
  port: MessagePort,
  operations: Operations,
  crossing: ThreadError,
  [id, op, args]: Call,
): Promise<void> {
  const operation = operations[op] as (args: unknown) => unknown;
  try {
    port.postMessage([id, await operation(args)] satisfies Answer);
  } catch (error) {
    if (!(error instanceof crossing)) throw error;
    port.postMessage([id, null, error.code, error.message] satisfies Answer);
  }
}
