/**
 * Permission for one transfer at the data endpoint of an attempt's worker: its log, or a command beside it. The broker
 * says where and signs; it sees nothing of what is transferred.
 */
import { type Failure, failure, formatTaskId, type TaskDocument, type TransferOp } from '@gryphgen/protocol';
import type { Context } from './context.ts';
import { refuse } from './context.ts';
import { nameOf, taskDocument } from './documents.ts';
import { forbidden, mayActOn } from './roles.ts';
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
  if (!mayActOn(session, task)) {
    context.state.counters.forbidden += 1;
    refuse(context, session.id, id, forbidden(session, 'enter what another principal submitted'));
    return;
  }
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

export function notRunning({ id, state }: Pick<TaskDocument, 'id' | 'state'>): Failure {
  return failure('rejected.state', `${id} is not running (${state}): exec enters tasks that run`);
}

const what: Readonly<Record<TransferOp, string>> = { logs: 'the log', exec: 'the task' };

function grant(
  context: Context,
  session: Session,
  id: number,
  op: TransferOp,
  task: Task,
  where: Worker['id'],
): void {
  const worker = context.state.workers.get(where);
  const report = worker?.view.report;
  if (!worker || worker.session === null || !report || report.dataEndpoint === '') {
    const words = `${what[op]} is on ${nameOf(context.state, where)}, which is not connected now`;
    refuse(context, session.id, id, failure('lost.worker', words));
    return;
  }
  context.effects.push({
    kind: 'grant',
    op,
    session: session.id,
    request: id,
    task: task.id,
    attempt: task.attempt,
    endpoint: report.dataEndpoint,
    dataKey: report.dataKey,
    gated: !context.state.journalStalled,
  });
}
