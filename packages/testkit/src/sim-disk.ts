/**
 * What a broker's journal leaves on its disk, in memory: the real records, folded by the real code, with a disk that
 * can be slow, full or broken. It outlives the brokers that open it.
 *
 * 1. A group is durable from the moment its write is done; whoever is told is told after.
 * 2. A group being written when the broker dies is there afterwards whole, in part, or not at all: the random number
 *    decides. Of a part its digest tells at the next opening, and it is left out.
 */
import { createHash } from 'node:crypto';
import { type Folder, fold, type Group, type GroupRow, type HistoryRow } from '@gryphgen/broker';
import type { BlobHash, Epoch, JournalHead, TaskId } from '@gryphgen/protocol';
import type { SeededRandom } from './seeded-random.ts';

/** `full`: nothing is written, it may be tried again. `io`: it may have been written, and nothing more is taken. */
export type DiskFault = 'slow' | 'full' | 'io';

export type PowerLoss = 'idle' | 'whole' | 'torn' | 'lost';

export class SimDisk {
  epoch = 0 as Epoch;
  fault: DiskFault | null = null;
  readonly groups: GroupRow[] = [];
  snapshot: { readonly seq: number; readonly bytes: Uint8Array } | null = null;
  /** The group that is on its way to the disk. */
  writing: Group | null = null;
  /** Told of each group that has become durable. */
  onCommit: (records: Uint8Array) => void = () => undefined;
  private readonly random: SeededRandom;
  private readonly digests: string[] = ['0'.repeat(64)];
  private readonly blobs = new Map<BlobHash, Uint8Array>();
  private readonly rows = new Map<TaskId, HistoryRow>();
  private readonly folder: Folder<unknown>;
  private folded: { readonly state: unknown; seq: number };

  constructor(random: SeededRandom, folder: Folder<unknown> = fold as Folder<unknown>) {
    this.random = random;
    this.folder = folder;
    this.folded = { state: folder.empty(), seq: 0 };
  }

  get head(): JournalHead {
    const seq = this.digests.length - 1;
    return { seq, digest: this.digestAt(seq) as string };
  }

  digestAt(seq: number): string | undefined {
    return this.digests[seq];
  }

  commitMs(): number {
    // Now and then so slow that it counts as stalled (E19).
    if (this.fault === 'slow') return this.random.between(50, this.random.chance(0.1) ? 15_000 : 3000);
    return this.random.chance(0.02) ? this.random.exponential(50) : this.random.between(0.1, 2);
  }

  /** Makes the group being written durable. */
  commit(): JournalHead {
    const group = this.writing;
    if (group === null) throw new Error('no group is being written');
    this.writing = null;
    for (const { hash, bytes } of group.blobs) this.blobs.set(hash, bytes);
    const seq = this.digests.length;
    this.digests.push(digestOf(this.digestAt(seq - 1) as string, seq, this.epoch, group.records));
    this.groups.push({ seq, epoch: this.epoch, records: group.records });
    this.onCommit(group.records);
    return this.head;
  }

  /** The broker is gone. Returns what has become of the group that was on its way. */
  powerLoss(): PowerLoss {
    const { writing: group } = this;
    if (group === null) return 'idle';
    const end = this.random.pick(['whole', 'whole', 'torn', 'lost'] as const);
    if (end === 'whole') this.commit();
    else if (end === 'torn') {
      const records = group.records.slice(0, Math.floor(group.records.length / 2));
      this.groups.push({ seq: this.digests.length, epoch: this.epoch, records });
    }
    this.writing = null;
    return end;
  }

  /** Leaves out what a power loss has torn. */
  mend(): void {
    const last = this.groups.at(-1);
    if (last === undefined) return;
    const { seq, epoch, records } = last;
    if (this.digestAt(seq) !== digestOf(this.digestAt(seq - 1) as string, seq, epoch, records))
      this.groups.pop();
  }

  blob(hash: BlobHash): Uint8Array | undefined {
    return this.blobs.get(hash);
  }

  /** Folds everything durable into a snapshot and lets go of what nothing needs, as the journal does off the broker's loop. */
  compact(): void {
    this.foldAll();
    this.snapshot = { seq: this.folded.seq, bytes: this.folder.save(this.folded.state) };
    const { seq } = this.snapshot;
    this.groups.splice(0, this.groups.findLastIndex((group) => group.seq <= seq) + 1);
    // The group being written brings its blobs along, whether they are here or not.
    const live = new Set(this.folder.liveBlobs(this.folded.state));
    for (const hash of this.blobs.keys()) if (!live.has(hash)) this.blobs.delete(hash);
    // A fold thread that starts anew goes on from the snapshot's bytes, not from the state that made them.
    if (this.random.chance(0.5)) this.folded = { state: this.folder.load(this.snapshot.bytes), seq };
  }

  historyRows(): ReadonlyMap<TaskId, HistoryRow> {
    this.foldAll();
    return this.rows;
  }

  private foldAll(): void {
    this.mend();
    for (const { seq, epoch, records } of this.groups) {
      if (seq <= this.folded.seq) continue;
      for (const row of this.folder.applyGroup(this.folded.state, epoch, records))
        this.rows.set(row.task, row);
      this.folded.seq = seq;
    }
  }
}

function digestOf(previous: string, seq: number, epoch: number, records: Uint8Array): string {
  return createHash('sha256').update(previous).update(`${seq} ${epoch}`).update(records).digest('hex');
}
