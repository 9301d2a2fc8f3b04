/** Why a task is where it is: the decision, then each worker with its scores or its reasons. */
import type { ExplainDocument, WorkerDecisionDocument } from '@gryphgen/protocol';
import { printableDocument } from '../printable.ts';
import type { Style } from '../terminal.ts';
import { type Column, table } from './table.ts';

/** cli.md's document, and when the decision was taken. */
export function explainJson({ id, state, when, decision, workers }: ExplainDocument) {
  return { ...(id === '' ? {} : { id, state }), when, decision, workers };
}

export function explainLines(document: ExplainDocument, style: Style, columns: number): readonly string[] {
  const { id, state, when, decision, workers } = printableDocument(document);
  // The decision often begins with the state in its own words.
  const words = decision.startsWith(state) ? decision : `${stateWords(state)}: ${decision}`;
  const head = id === '' ? decision : `${style.bold(id)} ${words}`;
  const feasible = workers
    .filter(({ feasible }) => feasible)
    .toSorted((a, b) => (b.total ?? 0) - (a.total ?? 0));
  const others = workers.filter(({ feasible }) => !feasible);
  const lines = [head];
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
