/**
 * How the journal folds groups into a snapshot off the broker's loop: with the very code that replays them. Loaded by
 * the journal's fold thread.
 */
import type { BlobHash, Envelope, Epoch } from '@gryphgen/protocol';
import { taskFields } from './core/documents.ts';
import { apply } from './core/record/apply.ts';
import { decided } from './core/record/decisions.ts';
import { emptyState, loadSnapshot, savedInTurn } from './core/record/snapshot.ts';
import type { BrokerState, Task } from './core/state.ts';
import type { HistoryRow } from './journal/journal.ts';
import { decodeDecisions, decodeSnapshot, encodeSnapshot } from './records.ts';

export function empty(): BrokerState {
  return emptyState(0 as Epoch);
}

export function load(bytes: Uint8Array): BrokerState {
  return loadSnapshot(decodeSnapshot(bytes), 0 as Epoch);
}

/** Applies one group; returns the tasks that ended in it, as people will query them. */
export function applyGroup(state: BrokerState, epoch: Epoch, records: Uint8Array): HistoryRow[] {
  const rows: HistoryRow[] = [];
  for (const decision of decodeDecisions(records)) {
    apply(state, epoch, decision);
    if (decision[0] !== decided.ended) continue;
    const task = state.ended.get(decision[1]);
    if (task !== undefined) rows.push(rowOf(state, task));
  }
  return rows;
}

export function finished(state: BrokerState): HistoryRow[] {
  return [...state.ended.values()].map((task) => rowOf(state, task));
}

function rowOf(state: BrokerState, task: Task): HistoryRow {
  const fields = taskFields(state, task);
  const { name, state: ended, endedAt } = fields;
  const document = `${JSON.stringify(fields).slice(0, -1)},"envelope":${written(task.spec.envelope)}}`;
  return { task: task.id, name, state: ended, endedAt, document };
}

/** Tasks share envelopes, and each is most of a document: written once. */
function written(envelope: Envelope): string {
  let text = envelopes.get(envelope);
  if (text === undefined) {
    text = JSON.stringify(envelope);
    envelopes.set(envelope, text);
  }
  return text;
}
const envelopes = new WeakMap<Envelope, string>();

export function save(state: BrokerState): Uint8Array {
  return encodeSnapshot(savedInTurn(state));
}

/**
 * Bodies that a worker may still be sent, and those that a retry by hand may ask for: of the newest ended tasks, as many
 * as the state remembers (limits.finishedTasks).
 */
export function* liveBlobs(state: BrokerState): Generator<BlobHash> {
  for (const { body } of state.tasks.values()) yield body;
  for (const { body } of state.ended.values()) yield body;
}
