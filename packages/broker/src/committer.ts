/**
 * Writes commit groups to the journal, one at a time, and lets what they held back leave when they are durable.
 *
 * 1. A full disk is waited out: the same group is tried again, nothing it held leaves, and the journal counts as stalled:
 *    the core takes nothing new that must be written, or held back, meanwhile (E19).
 * 2. So is an append that takes too long, or during which too much has piled up. What may pile up before it is noticed
 *    is bounded too: by the credit of who sends it (E3).
 * 3. Any other failure is the broker's end: it can no longer keep its word.
 */
import { type BlobHash, limits } from '@gryphgen/protocol';
import type { Alarms, Cancel } from '@gryphgen/runtime';
import type { BrokerEffect } from './core/effects.ts';
import { noteSize } from './core/placing/journaled-note.ts';
import type { CommitPipeline } from './core/record/commit-pipeline.ts';
import { type Decision, decided } from './core/record/decisions.ts';
import { type Journal, type JournalBlob, JournalError } from './journal/journal.ts';
import { encodeDecisions } from './records.ts';
import type { SpecStore } from './spec-store.ts';

const retryMs = 1000;
/** An append under way for this many ticks is a stall: 5 s, a third of a lease, and far more than a slow disk takes. */
const stalledTicks = 10;
/** Messages held back, of some 100 bytes each: what a second of the fastest traffic holds. */
const mostHeld = 500_000;
/** Decisions and bodies that wait to be written. */
const mostBytes = 128 * 1024 * 1024;
/** Of a decision, beside what is counted. */
const decisionBytes = 128;

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
  /** Of groups not yet given to the journal, which keeps each once, whoever named it before. */
  private readonly blobs = new Map<BlobHash, JournalBlob>();
  private stalled = false;
  /** That the append under way has taken; null when there is none. */
  private ticks: number | null = null;
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

  /** A decision enters the open group: the body it names must be journaled with it. */
  note(decision: Decision): void {
    let bytes = sizeOf(decision);
    if (decision[0] === decided.accepted && !this.blobs.has(decision[3])) {
      const blob = this.specs.toJournal(decision[3]);
      this.blobs.set(decision[3], blob);
      bytes += blob.bytes.byteLength;
    }
    this.pipeline.weigh(bytes);
  }

  /** To be called at the end of each turn: writes the oldest group unless one is being written. */
  pump(): void {
    if (this.stopped) return;
    if (this.pipeline.held > mostHeld || this.pipeline.bytes > mostBytes) this.setStalled(true);
    const decisions = this.pipeline.begin();
    if (decisions === null) return;
    this.counters.groups += 1;
    this.counters.decisions += decisions.length;
    this.ticks = 0;
    this.write(decisions, this.takeBlobs(decisions));
  }

  /** To be called every `tickMs`. Ticks, not time: a pause of the broker is no stall of its disk. */
  tick(): void {
    if (this.ticks === null) return;
    this.ticks += 1;
    if (this.ticks >= stalledTicks) this.setStalled(true);
  }

  /** A body that a later group names too is durable before it: groups are written in order. */
  private takeBlobs(decisions: readonly Decision[]): JournalBlob[] {
    const taken: JournalBlob[] = [];
    for (const decision of decisions) {
      if (decision[0] !== decided.accepted) continue;
      const blob = this.blobs.get(decision[3]);
      if (blob === undefined) continue;
      this.blobs.delete(decision[3]);
      taken.push(blob);
    }
    return taken;
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
    this.ticks = null;
    const effects = this.pipeline.committed();
    this.setStalled(false);
    this.events.onDurable(effects);
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

/** About; what is told by others, and may be long, exactly. */
function sizeOf(decision: Decision): number {
  switch (decision[0]) {
    case decided.envelope:
      return limits.envelopeBytes;
    case decided.ended:
      return decisionBytes + decision[6].length + (decision[9]?.byteLength ?? 0);
    case decided.leased:
      return decisionBytes + (decision[6] === undefined ? 0 : noteSize(decision[6]));
    case decided.requeued:
      return decisionBytes + decision[4].length;
    case decided.keysForgotten: {
      const [, keys, , , taught] = decision;
      const taughtBytes = taught === undefined ? 0 : JSON.stringify(taught).length;
      return decisionBytes + keys.length * limits.keyChars + taughtBytes;
    }
    case decided.clientsForgotten:
      return decisionBytes + decision[1].length * limits.keyChars;
    case decided.modelSet:
      return decisionBytes + JSON.stringify([decision[1], decision[5]]).length;
    case decided.collectionSet:
      return decisionBytes + JSON.stringify(decision[2]).length;
    default:
      return decisionBytes;
  }
}
