/** The broker's journal over a simulated disk. */
import {
  type Group,
  type GroupRow,
  type HistoryPage,
  type HistoryQuery,
  type HistoryRow,
  type Journal,
  JournalError,
  type OpenedJournal,
  type Witnessed,
} from '@gryphgen/broker';
import type { BlobHash, Epoch, JournalHead, TaskId } from '@gryphgen/protocol';
import type { Alarms } from '@gryphgen/runtime';
import type { SimDisk } from './sim-disk.ts';

/** What an opening would find, without one: the epoch stays, nobody is fenced off. */
export function readSimJournal(disk: SimDisk): OpenedJournal {
  const never: Alarms = { after: () => () => undefined };
  const journal = new SimJournal(disk, never, () => undefined);
  return { journal, snapshot: disk.snapshot, groups: eachGroup([...disk.groups]), findings: [] };
}

/** Opens the disk in a new epoch, which fences off whoever had it open. */
export function openSimJournal(
  disk: SimDisk,
  alarms: Alarms,
  settle: (promise: Promise<unknown>) => void = () => undefined,
): OpenedJournal {
  disk.mend();
  disk.epoch = (disk.epoch + 1) as Epoch;
  const { snapshot } = disk;
  return {
    journal: new SimJournal(disk, alarms, settle),
    snapshot,
    groups: eachGroup([...disk.groups]),
    findings: [],
  };
}

async function* eachGroup(groups: readonly GroupRow[]): AsyncIterable<GroupRow> {
  yield* groups;
}

class SimJournal implements Journal {
  readonly epoch: Epoch;
  private readonly disk: SimDisk;
  private readonly alarms: Alarms;
  /** Told of every answer that is under way, so that simulated time waits for it. */
  private readonly settle: (promise: Promise<unknown>) => void;
  private failed: JournalError | null = null;
  private inFlight: Promise<JournalHead> | null = null;

  constructor(disk: SimDisk, alarms: Alarms, settle: (promise: Promise<unknown>) => void) {
    this.disk = disk;
    this.alarms = alarms;
    this.settle = settle;
    this.epoch = disk.epoch;
  }

  head(): JournalHead {
    return this.disk.head;
  }

  append(group: Group): Promise<JournalHead> {
    if (this.inFlight !== null) throw new Error('an append is in flight');
    const written = new Promise<JournalHead>((resolve, reject) => {
      if (this.failed !== null) return reject(this.failed);
      if (this.epoch !== this.disk.epoch)
        return reject(new JournalError('fenced', 'another broker opened the journal'));
      this.disk.writing = group;
      this.alarms.after(this.disk.commitMs(), () => this.finish(resolve, reject));
    });
    this.inFlight = written;
    const done = (): void => {
      this.inFlight = null;
    };
    written.then(done, done);
    return written;
  }

  private finish(resolve: (head: JournalHead) => void, reject: (error: JournalError) => void): void {
    const { disk } = this;
    this.settle(Promise.resolve());
    if (disk.fault === 'full') {
      disk.writing = null;
      reject(new JournalError('full', 'no space is left on the simulated disk'));
    } else if (disk.fault === 'io') {
      disk.powerLoss();
      this.failed = new JournalError('io', 'the simulated disk failed');
      reject(this.failed);
    } else resolve(disk.commit());
  }

  async blob(hash: BlobHash): Promise<Uint8Array | undefined> {
    this.settle(Promise.resolve());
    return this.disk.blob(hash);
  }

  async digestAt(seq: number): Promise<string | undefined> {
    return this.disk.digestAt(seq);
  }

  async checkWitness({ seq, digest }: JournalHead): Promise<Witnessed> {
    this.settle(Promise.resolve());
    const own = this.disk.digestAt(seq);
    if (own === undefined) return 'cut';
    return own === digest ? 'known' : 'diverged';
  }

  async history({ limit, before, state, name, principal }: HistoryQuery): Promise<HistoryPage> {
    this.settle(Promise.resolve());
    const rows = [...this.disk.historyRows().values()]
      .filter((row) => before === undefined || row.task < before)
      .filter((row) => (state ?? row.state) === row.state && (name ?? row.name) === row.name)
      .filter(({ document }) => principal == null || document.includes(`"principal":"${principal}"`))
      .sort((a, b) => b.task - a.task);
    const page = rows.slice(0, limit);
    return { rows: page, next: rows.length > limit ? (page[page.length - 1]?.task ?? null) : null };
  }

  async historyOf(task: TaskId): Promise<HistoryRow | undefined> {
    this.settle(Promise.resolve());
    return this.disk.historyRows().get(task);
  }

  async close(): Promise<void> {
    await this.inFlight?.catch(() => undefined);
    this.failed ??= new JournalError('closed', 'the journal is closed');
  }
}
