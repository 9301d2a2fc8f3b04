/**
 * Group commit, without the I/O: collects a turn's decisions into the open group and holds back what must not leave
 * before they are durable. At most one group is being written; what arrives meanwhile is the next.
 *
 * 1. A gated effect leaves when every decision emitted before it is durable.
 * 2. Effects leave in the order they were emitted, within gated and within ungated.
 * 3. No group outgrows what the journal takes at once: one that has its fill is closed, and the next begun.
 */
import type { BrokerEffect } from '../effects.ts';
import type { Decision } from './decisions.ts';

/** A quarter of the journal's largest group (journal/settings.ts): a step's decisions are not taken apart. */
const groupBytes = 16 * 1024 * 1024;
/** A row of an answer holds as much memory as this many ordinary messages. */
const rowWeight = 4;

export interface CommitGroup {
  readonly decisions: Decision[];
  readonly held: BrokerEffect[];
  bytes: number;
  /** Of what it holds back, in ordinary messages. */
  weight: number;
}

export class CommitPipeline {
  private open: CommitGroup = emptyGroup();
  private readonly full: CommitGroup[] = [];
  private writing: CommitGroup | null = null;
  private waitingBytes = 0;
  private heldWeight = 0;

  /** Of all groups that are not durable. */
  get bytes(): number {
    return this.waitingBytes;
  }

  /** What is held back, in ordinary messages of some 100 bytes. */
  get held(): number {
    return this.heldWeight;
  }

  /** The decision to be admitted next takes this much of a group. */
  weigh(bytes: number): void {
    if (this.open.bytes + bytes > groupBytes && this.open.decisions.length > 0) {
      this.full.push(this.open);
      this.open = emptyGroup();
    }
    this.open.bytes += bytes;
    this.waitingBytes += bytes;
  }

  /** Takes a step's effects; returns those to perform now. */
  admit(effects: readonly BrokerEffect[]): BrokerEffect[] {
    const now: BrokerEffect[] = [];
    let holdsSome = false;
    for (const effect of effects) {
      if (effect.kind === 'record') {
        this.open.decisions.push(effect.decision);
        continue;
      }
      const leaves = effect.kind === 'answered' ? !holdsSome : leavesAtOnce(effect);
      const holder = leaves ? null : this.holder();
      if (holder === null) now.push(effect);
      else {
        this.hold(holder, effect);
        holdsSome = true;
      }
    }
    return now;
  }

  private hold(group: CommitGroup, effect: BrokerEffect): void {
    const weight = weightOf(effect);
    group.held.push(effect);
    group.weight += weight;
    this.heldWeight += weight;
  }

  /** The youngest group that is not durable, or null when all are. */
  private holder(): CommitGroup | null {
    return this.open.decisions.length > 0 ? this.open : (this.full.at(-1) ?? this.writing);
  }

  /** The next group to write, or null: nothing to write, or one is being written. */
  begin(): readonly Decision[] | null {
    if (this.writing !== null) return null;
    const full = this.full.shift();
    if (full === undefined && this.open.decisions.length === 0) return null;
    this.writing = full ?? this.open;
    if (full === undefined) this.open = emptyGroup();
    return this.writing.decisions;
  }

  /** The group being written is durable: what it held may leave. */
  committed(): BrokerEffect[] {
    const done = this.writing;
    if (done === null) throw new Error('a commit was reported, but no group is being written');
    this.writing = null;
    this.waitingBytes -= done.bytes;
    this.heldWeight -= done.weight;
    return done.held;
  }
}

function emptyGroup(): CommitGroup {
  return { decisions: [], held: [], bytes: 0, weight: 0 };
}

function weightOf(effect: BrokerEffect): number {
  if (effect.kind !== 'send' || effect.message.kind !== 'reply') return 1;
  const { result } = effect.message;
  return Array.isArray(result) ? 1 + rowWeight * result.length : 1;
}

function leavesAtOnce(effect: BrokerEffect): boolean {
  switch (effect.kind) {
    case 'heartbeatAck':
    // Counts, no decisions; and it must tell that the journal is stalled while it is.
    case 'status':
    // Reads what is there, and is asked for when a journal stalls.
    case 'fsck':
    case 'close':
    case 'pinBody':
    case 'unpinBody':
    case 'revoke':
    case 'judgePolicy':
    case 'enrolment':
      return true;
    case 'send':
    case 'lease':
    case 'artifact':
    case 'grant':
      return !effect.gated;
    default:
      return false;
  }
}
