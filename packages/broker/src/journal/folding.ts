/**
 * When to fold, when to take a snapshot, and what to do with it: the main thread's side of the fold. It starts the
 * fold's thread when there is first something to fold or to ask.
 *
 * 1. One job at a time; commits never wait for it.
 * 2. A snapshot is taken when as many bytes were appended as the last snapshot has, and at least a setting: the work of
 *    folding stays in proportion to the work of appending.
 * 3. A fold that fails is told and tried again at the next occasion, MAX_FAILURES times in a row; appending goes on.
 */
import type { TaskId } from '@gryphgen/protocol';
import { ThreadCalls } from '@gryphgen/runtime/thread-calls';
import { digestBytes } from './digest-chain.ts';
import type { StartFoldArgs } from './fold-operations.ts';
import type { FoldThread } from './fold-thread.ts';
import type { Finding, HistoryPage, HistoryQuery, HistoryRow } from './journal.ts';
import { JournalError } from './journal.ts';
import type { JournalThread } from './journal-thread.ts';

const MAX_FAILURES = 3;

export interface FoldingOptions extends Omit<StartFoldArgs, 'damagedHistory'> {
  readonly tailGroups: number;
  readonly tailBytes: number;
  readonly snapshotSize: number;
  readonly journal: ThreadCalls<JournalThread>;
  readonly onTrouble: (error: JournalError) => void;
  /** Damage that was met after the opening. */
  readonly onFinding: (finding: Finding) => void;
}

export class Folding {
  readonly #options: FoldingOptions;
  #thread: ThreadCalls<FoldThread> | undefined;
  #head: number;
  #folded: number;
  #unfoldedBytes: number;
  #sinceSnapshot: { groups: number; bytes: number };
  #snapshotSeq: number;
  #snapshotSize: number;
  #work: Promise<void> = Promise.resolve();
  #scheduled = false;
  #failures = 0;
  #closed = false;
  #damagedHistory: string | null = null;

  constructor(options: FoldingOptions) {
    this.#options = options;
    this.#head = options.head;
    this.#folded = options.snapshotSeq;
    this.#unfoldedBytes = options.tailBytes;
    this.#sinceSnapshot = { groups: options.tailGroups, bytes: options.tailBytes };
    this.#snapshotSeq = options.snapshotSeq;
    this.#snapshotSize = options.snapshotSize;
  }

  /** A group is durable. */
  appended(seq: number, bytes: number): void {
    this.#head = seq;
    this.#unfoldedBytes += bytes;
    this.#sinceSnapshot.groups += 1;
    this.#sinceSnapshot.bytes += bytes;
    const { foldBytes, foldGroups } = this.#options.settings;
    const due = this.#unfoldedBytes >= foldBytes || seq - this.#folded >= foldGroups;
    if (!due || this.#scheduled || this.#closed || this.#failures >= MAX_FAILURES) return;
    this.#scheduled = true;
    this.#next(() => this.#fold()).catch((error: unknown) => this.#trouble(error));
  }

  async history(query: HistoryQuery): Promise<HistoryPage> {
    return this.#ask((thread) => thread.call('history', query));
  }

  async historyOf(task: TaskId): Promise<HistoryRow | undefined> {
    return this.#ask((thread) => thread.call('historyOf', task));
  }

  /** Asks once more when the table was damaged: it has been made anew then. */
  #ask<T>(question: (thread: ThreadCalls<FoldThread>) => Promise<T>): Promise<T> {
    return this.#next(async () => {
      try {
        return await question(await this.#caughtUp());
      } catch (error) {
        if (!(error instanceof JournalError) || error.code !== 'history') throw error;
        await this.#startOver(error);
        return question(await this.#caughtUp());
      }
    });
  }

  async close(): Promise<void> {
    this.#closed = true;
    await this.#work;
    if (this.#thread === undefined) return;
    await this.#thread.call('close', null);
    await this.#thread.end();
    this.#thread = undefined;
  }

  /** Runs `job` after the one before it, however that ended. */
  #next<T>(job: () => Promise<T>): Promise<T> {
    if (this.#closed) return Promise.reject(new JournalError('closed', 'The journal is closed.'));
    const result = this.#work.then(job);
    this.#work = result.then(
      () => undefined,
      () => undefined,
    );
    return result;
  }

  async #fold(): Promise<void> {
    this.#scheduled = false;
    // It was scheduled while the last one that may fail ran.
    if (this.#failures >= MAX_FAILURES) return;
    await this.#caughtUp();
    const { snapshotBytes, snapshotGroups } = this.#options.settings;
    const { groups, bytes } = this.#sinceSnapshot;
    if (bytes >= Math.max(snapshotBytes, this.#snapshotSize) || groups >= snapshotGroups)
      await this.#snapshot();
    this.#failures = 0;
  }

  async #caughtUp(): Promise<ThreadCalls<FoldThread>> {
    const thread = await this.#started();
    const to = this.#head;
    if (to > this.#folded) {
      this.#unfoldedBytes = 0;
      await thread.call('advance', to);
      this.#folded = to;
    }
    return thread;
  }

  async #snapshot(): Promise<void> {
    const thread = await this.#started();
    this.#sinceSnapshot = { groups: 0, bytes: 0 };
    const taken = await thread.call('snapshot', null);
    this.#snapshotSeq = taken.seq;
    this.#snapshotSize = taken.bytes;
    if (taken.older === null) return;
    const { journal, settings } = this.#options;
    const { seq, dead } = taken.older;
    const step = { seq, rows: settings.compactRows, bytes: settings.compactBytes };
    while (!(await journal.call('compact', step)));
    // Blobs go after the groups that name them: whatever an opening finds, the groups it reads have theirs.
    for (let at = 0; at < dead.byteLength; ) {
      const hashes = dead.slice(at, at + settings.compactRows * digestBytes);
      at += digestBytes * (await journal.call('removeBlobs', { ...step, hashes }));
    }
  }

  async #started(): Promise<ThreadCalls<FoldThread>> {
    if (this.#thread !== undefined) return this.#thread;
    const { dir, path, folder, settings, wallMs } = this.#options;
    const thread = new ThreadCalls<FoldThread>(
      new URL('./fold-thread.js', import.meta.url),
      'journal fold',
      JournalError,
    );
    try {
      const damagedHistory = this.#damagedHistory;
      const [snapshotSeq, head] = [this.#snapshotSeq, this.#head];
      const args = { dir, path, folder, settings, snapshotSeq, head, wallMs, damagedHistory };
      for (const finding of await thread.call('start', args)) this.#options.onFinding(finding);
      this.#damagedHistory = null;
    } catch (error) {
      await thread.end();
      throw error;
    }
    this.#thread = thread;
    return thread;
  }

  async #trouble(error: unknown): Promise<void> {
    this.#failures += 1;
    await this.#startOver(error);
    if (!(error instanceof JournalError)) throw error;
    this.#options.onTrouble(error);
  }

  /** The thread's state may be half folded: the next occasion starts a fresh one from the last snapshot. */
  async #startOver(error: unknown): Promise<void> {
    const thread = this.#thread;
    this.#thread = undefined;
    this.#folded = this.#snapshotSeq;
    if (error instanceof JournalError && error.code === 'history') this.#damagedHistory = error.message;
    await thread?.end();
  }
}
