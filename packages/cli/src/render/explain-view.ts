/** Why a task is where it is: the decision, then each worker with its scores or its reasons. */
import type { ExplainDocument, TurnDocument, WorkerDecisionDocument } from '@gryphgen/protocol';
import { printableDocument } from '../printable.ts';
import type { Style } from '../terminal.ts';
import { type Column, table } from './table.ts';
import { age } from './task-view.ts';

/** cli.md's document, and when the decision was taken. */
export function explainJson({ id, state, when, decision, workers, turn }: ExplainDocument) {
  return { ...(id === '' ? {} : { id, state }), when, decision, workers, ...(turn && { turn }) };
}

export function explainLines(document: ExplainDocument, style: Style, columns: number): readonly string[] {
  const { id, state, when, decision, workers, turn } = printableDocument(document);
  // The decision often begins with the state in its own words.
  const words = decision.startsWith(state) ? decision : `${stateWords(state)}: ${decision}`;
  const head = id === '' ? decision : `${style.bold(id)} ${words}`;
  const feasible = workers
    .filter(({ feasible }) => feasible)
    .toSorted((a, b) => (b.total ?? 0) - (a.total ?? 0));
  const others = workers.filter(({ feasible }) => !feasible);
  const lines = [head];
  if (turn !== undefined) lines.push(style.dim(turnWords(turn)));
  if (when !== 'now' && workers.length > 0) lines.push(style.dim('as it was decided then:'));
  if (feasible.length > 0) lines.push('', ...table(feasible, scoreColumns(feasible, style), columns));
  for (const [index, worker] of others.entries()) {
    if (index === 0) lines.push('');
    lines.push(
      `${nameOf(worker)} ${style.dim(when === 'now' ? 'cannot take it now:' : 'could not take it:')}`,
    );
    for (const reason of worker.reasons ?? []) lines.push(`  ${style.yellow('-')} ${reason}`);
  }
  return lines;
}

/** What decides whose turn it is, in its order. */
function turnWords({ priority, agedPriority, waitedMs, use, weight }: TurnDocument): string {
  const risen =
    agedPriority > priority ? `, risen to ${agedPriority} in ${age(waitedMs)} without a place` : '';
  const weighed = weight === 1 ? '' : ` at a weight of ${weight}`;
  return `its turn: priority ${priority}${risen}; its principal has had ${percent(use)} of the grid of late${weighed}`;
}

function percent(part: number): string {
  return `${(100 * part).toFixed(part < 0.1 ? 1 : 0)} %`;
}

function stateWords(state: ExplainDocument['state']): string {
  return state === 'succeeded' || state === 'failed' ? state : `is ${state}`;
}

function scoreColumns(
  workers: readonly WorkerDecisionDocument[],
  style: Style,
): readonly Column<WorkerDecisionDocument>[] {
  const terms = [...new Set(workers.flatMap(({ scores }) => Object.keys(scores ?? {})))];
  return [
    { title: 'WORKER', value: nameOf },
    { title: 'TOTAL', value: ({ total }) => style.bold(total?.toFixed(3) ?? '-'), right: true },
    ...terms.map((term) => ({
      title: term.toUpperCase(),
      value: ({ scores }: WorkerDecisionDocument) => scores?.[term]?.toFixed(2) ?? '-',
      right: true,
    })),
  ];
}

function nameOf({ name, worker }: WorkerDecisionDocument): string {
  return name === '' || name === worker ? worker : `${name} (${worker})`;
}
