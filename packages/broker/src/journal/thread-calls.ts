/**
 * Calls into a worker thread: a number per call, answered in order. Both ends of one small protocol.
 *
 * 1. A JournalError crosses as data. Anything else thrown in the thread is a bug and ends it.
 * 2. When the thread ends, every open call is rejected, and so is every later one.
 * 3. What crosses are tuples: an object's keys are written, looked up and added one by one, while a commit waits.
 */
import { type MessagePort, parentPort, type Transferable, Worker } from 'node:worker_threads';
import { JournalError, type JournalErrorCode } from './journal.ts';

/** What a thread offers, by name. */
export type Operations = Readonly<Record<string, (args: never) => unknown>>;

type Call = readonly [id: number, op: string, args: unknown];

type Answer =
  | readonly [id: number, value: unknown]
  | readonly [id: number, value: null, code: JournalErrorCode, message: string];

interface OpenCall {
  readonly resolve: (value: never) => void;
  readonly reject: (error: JournalError) => void;
}

/** The calling end. */
export class ThreadCalls<Offered extends Operations> {
  readonly #worker: Worker;
  readonly #open = new Map<number, OpenCall>();
  #lastId = 0;
  #ended: JournalError | undefined;

  constructor(entry: URL, name: string) {
    this.#worker = new Worker(entry, { name });
    this.#worker.on('message', (answer: Answer) => this.#settle(answer));
    this.#worker.on('error', (error) =>
      this.#end(new JournalError('io', `The ${name} thread failed.`, error)),
    );
    this.#worker.on('exit', () => this.#end(new JournalError('closed', `The ${name} thread has ended.`)));
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
    else call.reject(new JournalError(answer[2], answer[3]));
  }

  #end(why: JournalError): void {
    this.#ended ??= why;
    for (const { reject } of this.#open.values()) reject(this.#ended);
    this.#open.clear();
  }
}

/** The answering end: serves until the thread is terminated. `afterwards` runs when an answer has been sent. */
export function serve(operations: Operations, afterwards?: () => void): void {
  const port = parentPort;
  if (port === null) throw new Error('this module is the entry of a worker thread');
  let turn: Promise<void> = Promise.resolve();
  port.on('message', (call: Call) => {
    turn = turn.then(() => answer(port, operations, call)).then(afterwards);
  });
}

async function answer(port: MessagePort, operations: Operations, [id, op, args]: Call): Promise<void> {
  const operation = operations[op] as (args: unknown) => unknown;
  try {
    port.postMessage([id, await operation(args)] satisfies Answer);
  } catch (error) {
    if (!(error instanceof JournalError)) throw error;
    port.postMessage([id, null, error.code, error.message] satisfies Answer);
  }
}
