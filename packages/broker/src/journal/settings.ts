/** Every bound of the journal, with its reason. */
import type { DatabaseSettings } from './database.ts';

const KiB = 1024;
const MiB = 1024 * KiB;

export interface JournalSettings extends DatabaseSettings {
  /** Log pages after which the log is written back: bounds the log, and what an opening after a crash reads twice. */
  readonly checkpointPages: number;
  /** Largest group. The broker's own batches are far smaller: reaching it is a bug, told as one. */
  readonly groupBytes: number;
  /** Groups handed over at once while replaying. */
  readonly replayBytes: number;
  /** Bytes of groups that may wait to be folded; history queries fold the rest first. */
  readonly foldBytes: number;
  readonly foldGroups: number;
  /** Bytes of groups after which a snapshot is taken, if it is not smaller than the last snapshot was. */
  readonly snapshotBytes: number;
  readonly snapshotGroups: number;
  /** One step of removing folded groups, or blobs that nothing needs: about a millisecond between two commits. */
  readonly compactRows: number;
  readonly compactBytes: number;
  /** Finished tasks that can be queried; the oldest give way. About 1 KiB each on disk, all checked at an opening. */
  readonly historyRows: number;
  /** Those that ended so long before the newest give way too. */
  readonly historyAgeMs: number;
  /** Rows one history query answers with. */
  readonly historyPageRows: number;
}

export const journalSettings: JournalSettings = {
  pageBytes: 4 * KiB,
  busyMs: 5000,
  checkpointPages: 2048,
  groupBytes: 64 * MiB,
  replayBytes: 4 * MiB,
  foldBytes: 8 * MiB,
  foldGroups: 10_000,
  snapshotBytes: 64 * MiB,
  snapshotGroups: 200_000,
  compactRows: 256,
  compactBytes: 2 * MiB,
  historyRows: 1_000_000,
  historyAgeMs: Number.POSITIVE_INFINITY,
  historyPageRows: 1000,
};
