/**
 * A task until its end: its output as it comes, then how it ended.
 *
 * Ctrl-C gives up following, not the task; a second one ends this command at once.
 */
import type { Client, Outcome } from '@gryphgen/client';
import { formatTaskId, GridError, type TaskId } from '@gryphgen/protocol';
import { dividedLog } from './divided-log.ts';
import { interruptedExit } from './exit-codes.ts';
import { printable } from './printable.ts';
import { Exit } from './problem.ts';
import { addressWords, fetchedInTenths } from './render/task-view.ts';
import type { Terminal } from './terminal.ts';

/** For the last of the output, when the task has ended. */
const drainMs = 10_000;

export interface FollowOptions {
  /** Where its output goes; null when nobody wants it. */
  readonly output: ((bytes: Uint8Array) => Promise<void>) | null;
  /** A person is told on stderr what becomes of it. */
  readonly live: boolean;
  /** Where others reach it is said on stderr. */
  readonly addresses?: boolean;
}

/** Throws Exit 130 when the user gave up following. */
export async function follow(
  client: Client,
  terminal: Terminal,
  task: TaskId,
  { output, live, addresses: tellsAddresses = false }: FollowOptions,
): Promise<Outcome> {
  const given = new AbortController();
  const stopListening = onInterrupt(() => given.abort(new Exit(interruptedExit)));
  let said = '';
  const say = (text: string): void => {
    // Repeated questions are answered with what is known already.
    if (live && text !== said) terminal.err(`${terminal.style.dim(text)}\n`);
    said = text;
  };
  let reached = '';
  const tellReached = (words: string): void => {
    if (words === '' || words === reached) return;
    terminal.err(`${formatTaskId(task)} is reached at ${words}\n`);
    reached = words;
  };
  try {
    const finished = client.watch(task, {
      signal: given.signal,
      onChange: ({ state, worker, workerName, attempt, addresses = [], fetched }) => {
        const where = worker === '' ? '' : ` on ${printable(workerName ?? worker)}, try ${attempt}`;
        const comes = fetched === undefined ? '' : `, ${fetchedInTenths(fetched)}`;
        say(`${formatTaskId(task)} is ${state}${where}${comes}`);
        if (tellsAddresses) tellReached(addressWords(addresses));
      },
    });
    const printed = output === null ? undefined : print(client, terminal, task, output, given.signal);
    const outcome = await finished;
    const cut = setTimeout(() => given.abort(), drainMs);
    await printed?.finally(() => clearTimeout(cut));
    clearTimeout(cut);
    return outcome;
  } catch (error) {
    if (error instanceof Exit) {
      const id = formatTaskId(task);
      terminal.err(`\n${id} goes on: "grid wait ${id}" waits for it, "grid cancel ${id}" ends it\n`);
    }
    throw error;
  } finally {
    stopListening();
    given.abort();
  }
}

/** Missing output is told of and changes nothing about the task. */
async function print(
  client: Client,
  terminal: Terminal,
  task: TaskId,
  output: (bytes: Uint8Array) => Promise<void>,
  signal: AbortSignal,
): Promise<void> {
  try {
    for await (const { isOutput, bytes } of dividedLog(client.logs(task, { follow: true, signal })))
      await (isOutput ? output : terminal.errBytes)(bytes);
  } catch (error) {
    if (signal.aborted) return;
    if (!(error instanceof GridError)) throw error;
    terminal.err(`the output of ${formatTaskId(task)} cannot be shown: ${error.message}\n`);
  }
}

/** The first Ctrl-C asks, the second insists (by Node's own habit: nobody listens any more). */
export function onInterrupt(ask: () => void): () => void {
  process.once('SIGINT', ask);
  return () => process.off('SIGINT', ask);
}
