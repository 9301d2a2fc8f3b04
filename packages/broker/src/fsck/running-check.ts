/**
 * Checks the home of this process's broker, in a thread that ends with the check. One at a time: who asks while one runs
 * is told what that one finds.
 */
import { type CheckDocument, type CheckFinding, type JournalHead, limits } from '@gryphgen/protocol';
import { ThreadCalls } from '@gryphgen/runtime/thread-calls';
import type { Witnessed } from '../journal/journal.ts';
import { JournalError } from '../journal/journal.ts';
import type { FsckThread } from './fsck-thread.ts';

/** What a worker said, in its hello, to have seen of the journal, and how that agrees with it. */
export interface Testimony {
  readonly worker: string;
  readonly head: JournalHead;
  readonly verdict: Witnessed;
}

export class RunningCheck {
  private readonly home: string;
  /** By the worker's name: its newest word, or its newest contradiction. */
  private readonly told = new Map<string, Testimony>();
  private under: Promise<CheckDocument> | undefined;
  private thread: ThreadCalls<FsckThread> | undefined;

  constructor(home: string) {
    this.home = home;
  }

  /** A worker has said hello. */
  note(testimony: Testimony): void {
    const { worker } = testimony;
    const before = this.told.get(worker);
    // It forgets what it saw once it is shown another journal: then only we still know.
    if (before !== undefined && isContradiction(before) && !isContradiction(testimony)) return;
    this.told.delete(worker);
    this.told.set(worker, testimony);
    const [oldest] = this.told.keys();
    if (this.told.size > limits.workers && oldest !== undefined) this.told.delete(oldest);
  }

  /** Rejects when the check could not be made. */
  check(): Promise<CheckDocument> {
    this.under ??= this.run().finally(() => {
      this.under = undefined;
    });
    return this.under;
  }

  /** Who waits for a check is told that it was ended. */
  async stop(): Promise<void> {
    await this.thread?.end();
  }

  private async run(): Promise<CheckDocument> {
    this.thread = new ThreadCalls<FsckThread>(
      new URL('./fsck-thread.js', import.meta.url),
      'fsck',
      JournalError,
    );
    try {
      const found = await this.thread.call('check', { home: this.home, live: true });
      const told = [...this.told.values()];
      const findings = [...told.flatMap(contradiction), ...found.findings];
      return { ...found, witnesses: found.witnesses + told.length, findings };
    } finally {
      await this.thread.end();
    }
  }
}

function isContradiction({ verdict }: Testimony): boolean {
  return verdict === 'cut' || verdict === 'diverged';
}

function contradiction(testimony: Testimony): CheckFinding[] {
  if (!isContradiction(testimony)) return [];
  const { worker, head, verdict } = testimony;
  const what =
    verdict === 'cut'
      ? `worker ${worker} saw this commit, and the journal ended before it: its end was lost, or it is an older copy`
      : `worker ${worker} saw another commit ${head.seq} (${head.digest}): this journal is another, or was written anew`;
  const fix = 'what happened since the commit that both know is lost here; a newer backup may have it';
  return [{ level: 'damage', file: 'journal', place: `commit ${head.seq}`, what, fix }];
}
