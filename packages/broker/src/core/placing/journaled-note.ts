/**
 * A placement's explanation as the journal and snapshots hold it: shorter, and bounded.
 *
 * 1. At most about `noteChars` characters: the best workers first, of those left out their number.
 * 2. Writing what was read gives the same again: a snapshot of what was replayed adds and loses nothing.
 */
import type { WorkerId } from '@gryphgen/protocol';
import type { WorkerDecision } from '@gryphgen/scheduler';
import type { WireNote } from '../record/decisions.ts';
import type { PlacementNote, Worker } from '../state.ts';

/** Of the workers, at most three bytes each: some forty workers with their scores. */
const noteChars = 2048;
/** Of the sentence: a worker's name, and those of its devices. */
const decisionChars = 512;
/** What a number takes, and what stands around a part. */
const numberChars = 3;

type Row = WireNote[2][number];

export function writeNote({ decision, workers, policy }: PlacementNote): WireNote {
  const terms = Object.keys(workers.find(({ total }) => total !== undefined)?.scores ?? {});
  const kept = new Map<string, Row>();
  let left = noteChars;
  for (const worker of workers.toSorted((a, b) => (b.total ?? -1) - (a.total ?? -1))) {
    // It was not compared (explain.ts).
    if (worker.feasible && worker.total === undefined) continue;
    const row = rowOf(worker, terms);
    left -= rowSize(row);
    if (left < 0) break;
    kept.set(worker.worker, row);
  }
  const rows = workers.map(({ worker }) => kept.get(worker)).filter((row) => row !== undefined);
  const missing = workers.length - rows.length;
  const words =
    missing === 0 ? decision : `${decision}; what was said of ${missing} others was too much to keep`;
  const wire = [words.slice(0, decisionChars), terms, rows] as const;
  return policy === undefined ? wire : [...wire, policy];
}

function rowOf(
  { worker, feasible, reasons = [], scores = {}, total = 0 }: WorkerDecision,
  terms: string[],
): Row {
  const id = worker as WorkerId;
  return feasible
    ? [id, thousandths(total), ...terms.map((term) => thousandths(scores[term] ?? 0))]
    : [id, ...reasons];
}

function thousandths(score: number): number {
  return Math.round(score * 1000);
}

function rowSize(row: readonly (string | number)[]): number {
  let size = 0;
  for (const part of row) size += numberChars + (typeof part === 'string' ? part.length : 0);
  return size;
}

/** In characters, for a budget. */
export function noteSize([decision, terms, rows]: WireNote): number {
  return [terms, ...rows].reduce((size, row) => size + rowSize(row), decision.length);
}

/** Workers go by the names they have now. */
export function readNote(
  [decision, terms, rows, policy]: WireNote,
  workers: ReadonlyMap<WorkerId, Pick<Worker, 'view'>>,
): PlacementNote {
  const nameOf = (id: WorkerId): string => workers.get(id)?.view.name ?? id;
  const decisions = rows.map((row) => decisionOf(row, terms, nameOf(row[0])));
  return { decision, workers: decisions, ...(policy !== undefined && { policy }) };
}

function decisionOf([worker, ...parts]: Row, terms: readonly string[], name: string): WorkerDecision {
  if (typeof parts[0] !== 'number') return { worker, name, feasible: false, reasons: parts as string[] };
  const [total, ...scores] = (parts as number[]).map((part) => part / 1000);
  const named = Object.fromEntries(terms.map((term, place) => [term, scores[place] ?? 0]));
  return { worker, name, feasible: true, scores: named, total };
}
