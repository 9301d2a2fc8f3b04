/**
 * What turns groups into state and history, off the broker's loop: a module of pure functions, named by its URL and
 * loaded in the fold's thread.
 */
import type { BlobHash, Epoch } from '@gryphgen/protocol';
import type { HistoryRow } from './journal.ts';

export interface Folder<State> {
  empty(): State;
  load(bytes: Uint8Array): State;
  /** Changes `state` by one group; returns the tasks that it ended. */
  applyGroup(state: State, epoch: Epoch, records: Uint8Array): readonly HistoryRow[];
  save(state: State): Uint8Array;
  /** The ended tasks that `state` remembers, as applyGroup told them, or nearly so. */
  finished(state: State): readonly HistoryRow[];
  /** Blobs that a task in `state` still needs; others may go. */
  liveBlobs(state: State): Iterable<BlobHash>;
}
