/**
 * Permission for one transfer at a worker's data endpoint: the log of an attempt, a command beside it, an image for the
 * worker. The broker says where and signs; it sees nothing of what is transferred.
 */
import { type Failure, failure, formatTaskId, type TaskDocument, type TransferOp } from '@gryphgen/protocol';
import type { Context } from './context.ts';
import { notFound, refuse } from './context.ts';
import { nameOf, taskDocument } from './documents.ts';
import type { GrantSubject } from './effects.ts';
import { findWorker } from './node-orders.ts';
import type { Session, Task, Worker } from './state.ts';

export function onLogs(context: Context, session: Session, id: number, task: Task): void {
  const where = task.lease?.worker ?? task.outcome?.worker ?? '';
  if (where === '') {
    const words = `${formatTaskId(task.id)} has not run, so it has no log`;
    refuse(context, session.id, id, failure('rejected.state', words));
    return;
  }
  grant(context, session, id, 'logs', task, where);
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
  const worker = findWorker(context.state, node);
  if (worker === undefined) {
    refuse(context, session.id, id, notFound(`node "${node}"`));
    return;
  }
  const { name, report } = worker.view;
  if (report && !report.transfers?.includes('image')) {
    const words = `${name} takes no pushed images: its policy says so, or it has an older version of grid`;
    refuse(context, session.id, id, failure('rejected.state', words));
    return;
  }
  grantAt(
    context,
    session,
    id,
    { op: 'image', about: { worker: worker.id }, words: 'no image reaches' },
    worker,
  );
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
): void {
  const worker = context.state.workers.get(where);
  const order = { op, about: { task, attempt }, words: what[op] };
  if (worker !== undefined) grantAt(context, session, id, order, worker);
  else refuse(context, session.id, id, notConnected(what[op], nameOf(context.state, where)));
}

interface GrantOrder {
  readonly op: TransferOp;
  readonly about: GrantSubject;
  /** For the refusal. */
  readonly words: string;
}

function grantAt(
  context: Context,
  session: Session,
  id: number,
  { op, about, words }: GrantOrder,
  { session: connected, view: { name, report } }: Worker,
): void {
  if (connected === null || !report || report.dataEndpoint === '') {
    refuse(context, session.id, id, notConnected(words, name));
    return;
  }
  const { dataEndpoint: endpoint, dataKey } = report;
  const gated = !context.state.journalStalled;
  context.effects.push({
    kind: 'grant',
    op,
    session: session.id,
    request: id,
    about,
    endpoint,
    dataKey,
    gated,
  });
}

function notConnected(words: string, name: string): Failure {
  return failure('lost.worker', `${words} ${name}, which is not connected now`);
}
