/**
 * Opens the journal in a folder. All its disk work happens in two threads: one for the log, one for the fold.
 *
 * 1. The main thread copies a group once, into the buffer that it hands to the log's thread.
 */
import type { BlobHash, Epoch, JournalHead, TaskId } from '@gryphgen/protocol';
import { ThreadCalls } from '@gryphgen/runtime/thread-calls';
import { Folding } from './folding.ts';
import type {
  Finding,
  Group,
  GroupRow,
  HistoryPage,
  HistoryQuery,
  HistoryRow,
  Journal,
  OpenedJournal,
  Witnessed,
} from './journal.ts';
import { JournalError } from './journal.ts';
import type { JournalThread } from './journal-thread.ts';
import { type JournalSettings, journalSettings } from './settings.ts';

export interface OpenJournalOptions {
  readonly dir: string;
  /** URL of a module that exports a Folder. */
  readonly folder: URL;
  /** This program's version. */
  readonly program: string;
  /** Told to another process that finds the folder in use, such as "grid broker, pid 12". */
  readonly holder: string;
  /** Wall clock now; names the folder into which damage is put. */
  readonly wallMs: number;
  /** Folding failed; appending goes on, the log grows. */
  readonly onTrouble: (error: JournalError) => void;
  /** Damage that was met after the opening. */
  readonly onFinding?: (finding: Finding) => void;
  readonly settings?: Partial<JournalSettings>;
}

/** Rejects with JournalError: locked, newer, damaged, full, io. */
export async function openJournal(options: OpenJournalOptions): Promise<OpenedJournal> {
  const settings = { ...journalSettings, ...options.settings };
  const { dir, program, holder, wallMs, onTrouble, onFinding = () => undefined } = options;
  const thread = new ThreadCalls<JournalThread>(
    new URL('./journal-thread.js', import.meta.url),
    'journal',
    JournalError,
  );
  try {
    const opened = await thread.call('open', { dir, settings, program, holder, wallMs });
    const { epoch, head, path, snapshot, tailGroups, tailBytes, findings } = opened;
    const folding = new Folding({
      dir,
      path,
      settings,
      folder: options.folder.href,
      snapshotSeq: snapshot?.seq ?? 0,
      snapshotSize: snapshot?.bytes.byteLength ?? 0,
      head: head.seq,
      tailGroups,
      tailBytes,
      journal: thread,
      wallMs,
      onTrouble,
      onFinding,
    });
    const journal = new ThreadedJournal(thread, folding, epoch as Epoch, head, settings.groupBytes);
    const groups = replay(thread, snapshot?.seq ?? 0, head.seq, settings.replayBytes);
    return { journal, snapshot, groups, findings };
  } catch (error) {
    await thread.end();
    throw error;
  }
}

async function* replay(
  thread: ThreadCalls<JournalThread>,
  after: number,
  to: number,
  bytes: number,
): AsyncGenerator<GroupRow> {
  for (let at = after; at < to; ) {
    const batch = await thread.call('read', { after: at, bytes });
    for (const group of batch) {
      if (group.seq > to) return;
      yield group;
      at = group.seq;
    }
    if (batch.length === 0)
      throw new JournalError('io', `The journal ends at commit ${at} instead of ${to}.`);
  }
}

class ThreadedJournal implements Journal {
  readonly epoch: Epoch;
  readonly #thread: ThreadCalls<JournalThread>;
  readonly #folding: Folding;
  readonly #maxBytes: number;
  #head: JournalHead;
  #appending: Promise<unknown> | undefined;
  #closing: Promise<void> | undefined;

  constructor(
    thread: ThreadCalls<JournalThread>,
    folding: Folding,
    epoch: Epoch,
    head: JournalHead,
    maxBytes: number,
  ) {
    this.epoch = epoch;
    this.#thread = thread;
    this.#folding = folding;
    this.#head = head;
    this.#maxBytes = maxBytes;
  }

  head(): JournalHead {
    return this.#head;
  }

  append(group: Group): Promise<JournalHead> {
    if (this.#appending !== undefined) throw new Error('an append is in flight already');
    if (this.#closing !== undefined)
      return Promise.reject(new JournalError('closed', 'The journal is closed.'));
    const appending = this.#append(group).finally(() => {
      this.#appending = undefined;
    });
    this.#appending = appending;
    return appending;
  }

  async #append({ records, blobs }: Group): Promise<JournalHead> {
    const size = blobs.reduce((sum, { bytes }) => sum + bytes.byteLength, records.byteLength);
    if (size > this.#maxBytes) throw new Error(`a group of ${size} bytes, at most ${this.#maxBytes}`);
    const packed = new Uint8Array(size);
    packed.set(records);
    let at = records.byteLength;
    for (const { bytes } of blobs) {
      packed.set(bytes, at);
      at += bytes.byteLength;
    }
    const named = blobs.map(({ hash, bytes }) => [hash, bytes.byteLength] as const);
    const args = [packed, records.byteLength, named] as const;
    const [seq, digest] = await this.#thread.call('append', args, [packed.buffer]);
    this.#head = { seq, digest };
    this.#folding.appended(seq, size);
    return this.#head;
  }

  blob(hash: BlobHash): Promise<Uint8Array | undefined> {
    return this.#thread.call('blob', hash);
  }

  digestAt(seq: number): Promise<string | undefined> {
    return this.#thread.call('digestAt', seq);
  }

  checkWitness(head: JournalHead): Promise<Witnessed> {
    return this.#thread.call('checkWitness', head);
  }

  history(query: HistoryQuery): Promise<HistoryPage> {
    return this.#folding.history(query);
  }

  historyOf(task: TaskId): Promise<HistoryRow | undefined> {
    return this.#folding.historyOf(task);
  }

  close(): Promise<void> {
    this.#closing ??= this.#close();
    return this.#closing;
  }

  async #close(): Promise<void> {
    // A failed append was answered to whoever asked for it.
    await this.#appending?.catch(() => undefined);
    await this.#folding.close();
    await this.#thread.call('close', undefined);
    await this.#thread.end();
  }
}
