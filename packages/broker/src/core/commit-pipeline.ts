/**
 * Group commit, without the I/O: collects a turn's decisions into the open group and holds back what must not leave
 * before they are durable. At most one group is being written; what arrives meanwhile is the next.
 *
 * 1. A gated effect leaves when every decision emitted before it is durable.
 * 2. Effects leave in the order they were emitted, within gated and within ungated.
 */
import type { Decision } from './decisions.ts';
import type { BrokerEffect } from './effects.ts';

export interface CommitGroup {
  readonly decisions: Decision[];
  readonly held: BrokerEffect[];
}

export class CommitPipeline {
  private open: CommitGroup = { decisions: [], held: [] };
  private writing: CommitGroup | null = null;

  /** Takes a step's effects; returns those to perform now. */
  admit(effects: readonly BrokerEffect[]): BrokerEffect[] {
    const now: BrokerEffect[] = [];
    for (const effect of effects) {
      if (effect.kind === 'record') this.open.decisions.push(effect.decision);
      else if (leavesAtOnce(effect)) now.push(effect);
      else (this.holder()?.held ?? now).push(effect);
    }
    return now;
  }

  /** The youngest group that is not durable, or null when all are. */
  private holder(): CommitGroup | null {
    return this.open.decisions.length > 0 ? this.open : this.writing;
  }

  /** The next group to write, or null: nothing to write, or one is being written. */
  begin(): readonly Decision[] | null {
    if (this.writing !== null || this.open.decisions.length === 0) return null;
    this.writing = this.open;
    this.open = { decisions: [], held: [] };
    return this.writing.decisions;
  }

  /** The group being written is durable: what it held may leave. */
  committed(): BrokerEffect[] {
    const done = this.writing;
    if (done === null) throw new Error('a commit was reported, but no group is being written');
    this.writing = null;
    return done.held;
  }
}

function leavesAtOnce(effect: BrokerEffect): boolean {
  switch (effect.kind) {
    case 'heartbeatAck':
    // Counts, no decisions; and it must tell that the journal is stalled while it is.
    case 'status':
    case 'close':
    case 'pinBody':
    case 'unpinBody':
      return true;
    case 'send':
    case 'lease':
      return !effect.gated;
    default:
      return false;
  }
}
