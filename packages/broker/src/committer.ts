/**
 * Writes commit groups to the journal, one at a time, and lets what they held back leave when they are durable.
 *
 * 1. A full disk is waited out: the same group is tried again, nothing it held leaves, and the core refuses new durable
 *    work meanwhile. Any other failure is the broker's end: it can no longer keep its word.
 */
import type { BlobHash } from '@gryphgen/protocol';
import type { Alarms, Cancel } from '@gryphgen/runtime';
import type { CommitPipeline } from './core/commit-pipeline.ts';
import { type Decision, decided } from './core/decisions.ts';
import type { BrokerEffect } from './core/effects.ts';
import { type Journal, type JournalBlob, JournalError } from './journal/journal.ts';
import { encodeDecisions } from './records.ts';
import type { SpecStore } from './spec-store.ts';

const retryMs = 1000;

export interface CommitterEvents {
  /** These may leave now. */
  onDurable(effects: readonly BrokerEffect[]): void;
  onStalled(stalled: boolean): void;
  onFatal(error: unknown): void;
}

export class Committer {
  readonly counters = { groups: 0, decisions: 0, bytes: 0, retries: 0 };
  private readonly pipeline: CommitPipeline;
  private readonly journal: Journal;
  private readonly specs: SpecStore;
  private readonly alarms: Alarms;
  private readonly events: CommitterEvents;
  /** Of the open group: the journal keeps each once, whoever named it before. */
  private blobs = new Map<BlobHash, JournalBlob>();
  private stalled = false;
  private writing: Promise<void> | undefined;
  private cancelRetry: Cancel | undefined;
  private stopped = false;

  constructor(
    pipeline: CommitPipeline,
    journal: Journal,
    specs: SpecStore,
    alarms: Alarms,
    events: CommitterEvents,
  ) {
    this.pipeline = pipeline;
    this.journal = journal;
    this.specs = specs;
    this.alarms = alarms;
    this.events = events;
  }

  /** A decision entered the open group: the body it names must be journaled with it. */
  note(decision: Decision): void {
    if (decision[0] !== decided.accepted) return;
    const hash = decision[3];
    if (!this.blobs.has(hash)) this.blobs.set(hash, this.specs.toJournal(hash));
  }

  /** Writes the open group unless one is being written. */
  pump(): void {
    if (this.stopped) return;
    const decisions = this.pipeline.begin();
    if (decisions === null) return;
    this.counters.groups += 1;
    this.counters.decisions += decisions.length;
    const blobs = [...this.blobs.values()];
    this.blobs = new Map();
    this.write(decisions, blobs);
  }

  /** Waits for the group being written, if any. What is still open is lost, as in a crash: nobody was told of it. */
  async stop(): Promise<void> {
    this.stopped = true;
    this.cancelRetry?.();
    await this.writing;
  }

  /** Encodes anew for each try: the journal takes the buffer of records away. */
  private write(decisions: readonly Decision[], blobs: readonly JournalBlob[]): void {
    const records = encodeDecisions(decisions);
    this.counters.bytes += records.byteLength;
    this.writing = this.journal.append({ records, blobs }).then(
      () => this.onWritten(),
      (error: unknown) => this.onFailed(decisions, blobs, error),
    );
  }

  private onWritten(): void {
    this.setStalled(false);
    this.events.onDurable(this.pipeline.committed());
    this.pump();
  }

  private onFailed(decisions: readonly Decision[], blobs: readonly JournalBlob[], error: unknown): void {
    if (!(error instanceof JournalError) || error.code !== 'full') {
      this.events.onFatal(error);
      return;
    }
    this.counters.retries += 1;
    this.setStalled(true);
    if (this.stopped) return;
    this.cancelRetry = this.alarms.after(retryMs, () => this.write(decisions, blobs));
  }

  private setStalled(stalled: boolean): void {
    if (stalled === this.stalled) return;
    this.stalled = stalled;
    this.events.onStalled(stalled);
  }
}
