/** Opens the journal and rebuilds the decided state: snapshot, then every group after it, in order. */
import { brokenInvariants } from './core/invariants.ts';
import { apply } from './core/record/apply.ts';
import type { Decision } from './core/record/decisions.ts';
import { emptyState, loadSnapshot, type StateSettings } from './core/record/snapshot.ts';
import type { BrokerState } from './core/state.ts';
import {
  type Finding,
  type GroupRow,
  type Journal,
  JournalError,
  type OpenedJournal,
} from './journal/journal.ts';
import { decodeDecisions, decodeSnapshot } from './records.ts';

export interface Recovered {
  readonly journal: Journal;
  readonly state: BrokerState;
  readonly findings: readonly Finding[];
  readonly replayedGroups: number;
}

/** Throws JournalError for records of another version, Error when a verified journal makes a state that breaks an invariant: that is our bug, and going on would hide it. */
export async function recover(opened: OpenedJournal, settings: StateSettings): Promise<Recovered> {
  const { journal, snapshot, groups, findings } = opened;
  const state =
    snapshot === null
      ? emptyState(journal.epoch, settings)
      : loadSnapshot(decodeSnapshot(snapshot.bytes), journal.epoch, settings);
  let replayedGroups = 0;
  for await (const group of groups) {
    for (const decision of decisionsOf(group)) apply(state, group.epoch, decision);
    replayedGroups += 1;
  }
  const wrong = brokenInvariants(state);
  if (wrong.length > 0) throw new Error(`the journal replays to a broken state: ${wrong.join('; ')}`);
  return { journal, state, findings, replayedGroups };
}

function decisionsOf({ seq, epoch, records }: GroupRow): Decision[] {
  try {
    return decodeDecisions(records);
  } catch (error) {
    if (!(error instanceof JournalError)) throw error;
    throw new JournalError(error.code, `commit ${seq} of epoch ${epoch}: ${error.message}`, error);
  }
}
