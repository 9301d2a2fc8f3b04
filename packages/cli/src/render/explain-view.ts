/** Why a task is where it is: the decision, then each worker with its scores or its reasons. */
import {
  type AnswerTimes,
  type ExplainDocument,
  formatDuration,
  type TurnDocument,
  type WorkerDecisionDocument,
} from '@gryphgen/protocol';
import { printableDocument } from '../printable.ts';
import type { Style } from '../terminal.ts';
import { type Column, table } from './table.ts';
import { age, fetchedWords } from './task-view.ts';
import { rounded } from './tuning-view.ts';

/** cli.md's document, and when the decision was taken. */
export function explainJson({ id, state, ...document }: ExplainDocument) {
  return { ...(id === '' ? {} : { id, state }), ...document };
}

export function explainLines(document: ExplainDocument, style: Style, columns: number): readonly string[] {
  const printed = printableDocument(document);
  const { id, state, when, decision, workers, turn, weights = {} } = printed;
  // The decision often begins with the state in its own words.
  const words = decision.startsWith(state) ? decision : `${stateWords(state)}: ${decision}`;
  const head = id === '' ? decision : `${style.bold(id)} ${words}`;
  const feasible = workers
    .filter(({ feasible }) => feasible)
    .toSorted((a, b) => (b.total ?? 0) - (a.total ?? 0));
  const others = workers.filter(({ feasible }) => !feasible);
  const lines = [head];
  if (turn !== undefined) lines.push(style.dim(turnWords(turn)));
  lines.push(...expectedLines(printed).map((line) => style.dim(line)));
  if (printed.answer !== undefined) lines.push(style.dim(answerWords(printed.answer)));
  if (printed.fetched !== undefined) lines.push(fetchedWords(printed.fetched));
  if (when !== 'now' && workers.length > 0)
    lines.push(style.dim(`as it was decided then${byPolicy(document)}:`));
  if (feasible.length > 0)
    lines.push('', ...table(feasible, scoreColumns(feasible, style, weights), columns));
  for (const [index, worker] of others.entries()) {
    if (index === 0) lines.push('');
    lines.push(
      `${nameOf(worker)} ${style.dim(when === 'now' ? 'cannot take it now:' : 'could not take it:')}`,
    );
    for (const reason of worker.reasons ?? []) lines.push(`  ${style.yellow('-')} ${reason}`);
  }
  return lines;
}

/** Of the one that gryphgen comes with nothing is said. */
function byPolicy({ policy = 0 }: ExplainDocument): string {
  return policy === 0 ? '' : ` by version ${policy} of the placement policy`;
}

/** What was or is expected of its run, how long that was, and what would let it start now. */
function expectedLines({ expected, ranMs, fetchedMs, nearest, when }: ExplainDocument): readonly string[] {
  const lines: string[] = [];
  if (when === 'now' && expected?.name !== undefined) {
    const { name, startMs = 0, takesMs } = expected;
    const starts = startMs < 1000 ? 'now' : `in about ${about(startMs)}`;
    lines.push(`expected to end first on ${name}: starts ${starts}, takes about ${about(takesMs)}`);
  } else if (when !== 'now') {
    const { takesMs, fetchMs = 0 } = expected ?? {};
    const before = fetchMs === 0 ? '' : `, of that ${about(fetchMs)} until what it needed was there`;
    const said = takesMs === undefined ? [] : [`expected to take about ${about(takesMs)}${before}`];
    if (fetchedMs !== undefined) said.push(`ran after ${about(fetchedMs)}`);
    if (ranMs !== undefined) said.push(`has run for ${about(ranMs)}`);
    if (said.length > 0) lines.push(said.join(', '));
  }
  if (nearest !== undefined)
    lines.push(`could start now on ${nearest.name}, were it not for this: ${nearest.reasons.join('; ')}`);
  return lines;
}

/** Where the time of an answer went, in the order in which it passed. */
function answerWords(answer: AnswerTimes): string {
  const { queueMs, firstMs, restMs, promptMs, outputMs, tokens, questions = 1 } = answer;
  const said = [`waited ${about(queueMs)} for its place`];
  if (questions > 1) said.push(`${questions} questions answered by its slot, in all`);
  if (promptMs !== undefined) {
    const known = tokens && tokens.cached > 0 ? ` (${tokens.cached} were known)` : '';
    const prompt = tokens === undefined ? 'its prompt' : `a prompt of ${tokens.prompt} tokens${known}`;
    said.push(`${prompt} computed in ${about(promptMs)}`);
  }
  if (outputMs !== undefined && tokens !== undefined) {
    const rate = outputMs > 0 ? ` (${rounded((1000 * tokens.output) / outputMs)} tokens/s)` : '';
    said.push(`${tokens.output} tokens written in ${about(outputMs)}${rate}`);
  }
  const first = questions > 1 ? 'the first byte of the first' : 'its first byte';
  said.push(`${first} after ${about(firstMs)} at the model's server, its last ${about(restMs)} later`);
  return said.join(', ');
}

function about(ms: number): string {
  return formatDuration(ms < 1000 ? ms : Math.round(ms / 1000) * 1000);
}

/** What decides whose turn it is, in its order. */
function turnWords({ priority, agedPriority, waitedMs, use, weight, yieldsMs = 0 }: TurnDocument): string {
  const risen =
    agedPriority > priority ? `, risen to ${agedPriority} in ${age(waitedMs)} without a place` : '';
  const weighed = weight === 1 ? '' : ` at a weight of ${weight}`;
  const yields =
    yieldsMs < 1000
      ? ''
      : `; for what it is expected to take, it goes as if it had come ${about(yieldsMs)} later`;
  return `its turn: priority ${priority}${risen}; its principal has had ${percent(use)} of the grid of late${weighed}${yields}`;
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
  weights: Readonly<Record<string, number>>,
): readonly Column<WorkerDecisionDocument>[] {
  const terms = [...new Set(workers.flatMap(({ scores }) => Object.keys(scores ?? {})))];
  return [
    { title: 'WORKER', value: nameOf },
    { title: 'TOTAL', value: ({ total }) => style.bold(total?.toFixed(3) ?? '-'), right: true },
    ...terms.map((term) => ({
      title: `${term.toUpperCase()}${weights[term] === undefined ? '' : ` ×${weights[term].toFixed(2)}`}`,
      value: ({ scores }: WorkerDecisionDocument) => scores?.[term]?.toFixed(2) ?? '-',
      right: true,
    })),
  ];
}

function nameOf({ name, worker }: WorkerDecisionDocument): string {
  return name === '' || name === worker ? worker : `${name} (${worker})`;
}
