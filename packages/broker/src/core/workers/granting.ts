/**
 * Permission for one transfer at a worker's data endpoint: the log of an attempt, a command beside it, an image for the
 * worker. The broker says where and signs; it sees nothing of what is transferred.
 */
import {
  type Failure,
  failure,
  formatTaskId,
  isEphemeral,
  type TaskDocument,
  type TransferOp,
} from '@gryphgen/protocol';
import type { Context } from '../context.ts';
import { notFound, refuse } from '../context.ts';
import { nameOf, taskDocument } from '../documents.ts';
import type { GrantSubject } from '../effects.ts';
import type { Session, Task, Worker } from '../state.ts';
import { findWorker } from './node-orders.ts';

export function onLogs(context: Context, session: Session, id: number, task: Task, kept: boolean): void {
  const where = task.lease?.worker ?? task.outcome?.worker ?? '';
  if (where === '') {
    const words = `${formatTaskId(task.id)} has not run, so it has no log`;
    refuse(context, session.id, id, failure('rejected.state', words));
    return;
  }
  // Numbers of ephemeral tasks return: of none is anything kept.
  grant(context, session, id, 'logs', task, where, kept && !isEphemeral(task.id));
}

/** Only a worker may ask (roles.ts). */
export function onBeside(
  { effects }: Context,
  { id: session, worker }: Session,
  request: number,
  op: 'keepLogs' | 'relay',
): void {
  if (worker !== null) effects.push({ kind: 'besideGrant', op, session, request, worker });
}

export function onExec(context: Context, session: Session, id: number, task: Task): void {
  if (task.phase !== 'running' || task.lease === null) {
    refuse(context, session.id, id, notRunning(taskDocument(context.state, task)));
    return;
  }
  const refuseWith = (words: string): void =>
    refuse(context, session.id, id, failure('rejected.state', words));
  const { kind } = task.spec.envelope;
  if (kind !== 'container') {
    refuseWith(`${formatTaskId(task.id)} is a task of kind ${kind}: exec enters containers`);
    return;
  }
  const { worker } = task.lease;
  const report = context.state.workers.get(worker)?.view.report;
  if (report && !report.transfers?.includes('exec')) {
    const where = nameOf(context.state, worker);
    refuseWith(`${where} does not offer exec: grid ${report.version || 'of an older version'} runs there`);
    return;
  }
  grant(context, session, id, 'exec', task, worker);
}

/** An image for a worker, by its id or name. */
export function onPushImage(context: Context, session: Session, id: number, node: string): void {
  grantOf(context, session, id, node, {
    op: 'image',
    words: 'no image reaches',
    notOffered: ({ name }) =>
      `${name} takes no pushed images: its policy says so, or it has an older version of grid`,
  });
}

/** Answers of a worker, by its id or name, on channels of this session's principal. */
export function onAnswers(context: Context, session: Session, id: number, node: string): void {
  grantOf(context, session, id, node, {
    op: 'answers',
    words: 'no answer comes from',
    notOffered: ({ name, report }) =>
      `${name} does not offer answers: grid ${report?.version || 'of an older version'} runs there`,
  });
}

/** What is about a worker alone. */
function grantOf(
  context: Context,
  session: Session,
  id: number,
  node: string,
  {
    op,
    words,
    notOffered,
  }: Pick<GrantOrder, 'op' | 'words'> & { readonly notOffered: (view: At['view']) => string },
): void {
  const worker = findWorker(context.state, node);
  if (worker === undefined) {
    refuse(context, session.id, id, notFound(`node "${node}"`));
    return;
  }
  const { report } = worker.view;
  if (report && !report.transfers?.includes(op)) {
    refuse(context, session.id, id, failure('rejected.state', notOffered(worker.view)));
    return;
  }
  grantAt(context, session, id, { op, about: { worker: worker.id }, words }, worker);
}

export function notRunning({ id, state }: Pick<TaskDocument, 'id' | 'state'>): Failure {
  return failure('rejected.state', `${id} is not running (${state}): exec enters tasks that run`);
}

const what = { logs: 'the log is on', exec: 'the task is on' } as const;

function grant(
  context: Context,
  session: Session,
  id: number,
  op: keyof typeof what,
  { id: task, attempt }: Task,
  where: Worker['id'],
  kept = false,
): void {
  const worker = context.state.workers.get(where);
  const about = { task, attempt, worker: where };
  const order = { op, about, words: what[op], kept };
  const view = worker?.view ?? { name: nameOf(context.state, where), report: null };
  grantAt(context, session, id, order, { session: worker?.session ?? null, view });
}

interface GrantOrder {
  readonly op: TransferOp;
  readonly about: GrantSubject;
  /** For the refusal. */
  readonly words: string;
  /** It may be had beside the broker, too. */
  readonly kept?: boolean;
}

interface At {
  readonly session: Worker['session'];
  readonly view: Pick<Worker['view'], 'name' | 'report'>;
}

function grantAt(
  context: Context,
  session: Session,
  id: number,
  { op, about, words, kept = false }: GrantOrder,
  { session: connected, view: { name, report } }: At,
): void {
  const isThere = connected !== null && report !== null;
  if (!isThere && !kept) {
    refuse(context, session.id, id, notConnected(words, name));
    return;
  }
  const { dataEndpoint: endpoint, dataKey } = isThere ? report : { dataEndpoint: '', dataKey: '' };
  const gated = !context.state.journalStalled;
  context.effects.push({
    kind: 'grant',
    op,
    session: session.id,
    request: id,
    about,
    endpoint,
    dataKey,
    kept,
    orElse: notConnected(words, name),
    gated,
  });
}

function notConnected(words: string, name: string): Failure {
  return failure('lost.worker', `${words} ${name}, which is not connected now`);
}
