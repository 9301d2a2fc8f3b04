/**
 * Orders to one node: drain, plan a drain, resume, remove (E17). Whoever gave one repeats it until it is answered: each is carried out
 * once in its session, and its repeats are answered alike; a removal's in later sessions too.
 */
import { failure, limits, type RequestArgs, type WorkerId } from '@gryphgen/protocol';
import { promoteHeirs } from '../collections/shard-copies.ts';
import type { Context } from '../context.ts';
import { closeSession, decide, notFound, refuse, reply, send } from '../context.ts';
import { nodeDocument } from '../documents.ts';
import type { BrokerEvent } from '../events.ts';
import { attemptFailed } from '../outcomes.ts';
import { decided } from '../record/decisions.ts';
import type { BrokerState, Session, Worker } from '../state.ts';
import { noteUpcoming, planDrain } from './windows.ts';

interface NodeOrder {
  readonly node: string;
  readonly draining?: boolean;
  readonly deadlineMs?: number | undefined;
  /** Of a planned drain. */
  readonly window?: string;
}

export function onNode(
  context: Context,
  session: Session,
  id: number,
  op: 'drain' | 'planDrain' | 'removeNode',
  args: NodeOrder | RequestArgs<'planDrain'>,
): void {
  const { state } = context;
  const worker = findWorker(state, args.node);
  if (worker === undefined) {
    const removed = op === 'removeNode' ? findRemoved(state, args.node) : undefined;
    if (removed === undefined) refuseUnknown(context, session, id, args.node);
    else reply(context, session.id, id, { removed });
    return;
  }
  if (isNewest(session, worker.id, id)) {
    if (op === 'drain') drain(context, worker, args);
    else if (op === 'planDrain') {
      const why = planDrain(context, worker, args as RequestArgs<'planDrain'>);
      if (why !== undefined) {
        refuse(context, session.id, id, why);
        return;
      }
    } else {
      // First its key, then what is known of it: whatever crashes in between, a removal that was answered holds.
      state.revoking.add(worker.id);
      context.effects.push({ kind: 'revoke', worker: worker.id, session: session.id, request: id });
    }
  }
  if (op === 'removeNode' && state.revoking.has(worker.id)) return;
  reply(context, session.id, id, op === 'removeNode' ? { removed: worker.id } : nodeDocument(state, worker));
}

/** Whether it is to be carried out: what was, or was overtaken by a newer order, is not (E17). */
function isNewest({ orders }: Session, worker: WorkerId, id: number): boolean {
  if (id <= (orders.get(worker) ?? 0)) return false;
  orders.delete(worker);
  orders.set(worker, id);
  if (orders.size > limits.workers) orders.delete(orders.keys().next().value as WorkerId);
  return true;
}

/** That it is not known may be a removal's doing that is not durable yet. */
function refuseUnknown(context: Context, session: Session, id: number, node: string): void {
  const why = notFound(`node "${node}"`);
  send(context, session.id, { kind: 'reply', id, result: null, failure: why }, !context.state.journalStalled);
}

/** A deadline counts from now, also where the same was ordered before. */
function drain(context: Context, worker: Worker, order: NodeOrder): void {
  const { state, now } = context;
  if (!isAsOrdered(worker, order) || worker.deadline !== null || isResumed(worker, order)) {
    const { draining = false, deadlineMs } = order;
    const ms = draining ? (deadlineMs ?? null) : null;
    decide(context, [decided.drainOrdered, worker.id, draining, now.wall, ms]);
    if (worker.deadline !== null) worker.deadline.dueMono = now.mono + worker.deadline.ms;
    noteUpcoming(context);
  }
  state.waiting.capacityVersion += 1;
  state.wake = true;
}

export function onKeyRevoked(context: Context, event: Extract<BrokerEvent, { kind: 'keyRevoked' }>): void {
  const { state } = context;
  const { worker: id, session, request, failure: why } = event;
  state.revoking.delete(id);
  if (why !== null) {
    refuse(context, session, request, why);
    return;
  }
  const worker = state.workers.get(id);
  if (worker !== undefined) remove(context, worker);
  send(context, session, { kind: 'reply', id: request, result: { removed: id }, failure: null });
}

function remove(context: Context, worker: Worker): void {
  const { state, now } = context;
  if (worker.session !== null)
    closeSession(context, worker.session, failure('lost.worker', 'removed from the grid'));
  for (const taskId of [...worker.tasks]) {
    const task = state.tasks.get(taskId);
    if (task)
      attemptFailed(context, task, failure('lost.worker', `${worker.view.name} was removed from the grid`));
  }
  decide(context, [decided.workerRemoved, worker.id, now.wall]);
  promoteHeirs(context, worker.id);
  state.possible.workersChanged();
  state.size.workersChanged();
}

/** Whether it drains, or not, as is ordered. */
function isAsOrdered({ drained, deadline }: Worker, { draining, deadlineMs }: NodeOrder): boolean {
  return drained === draining && (!draining || deadline?.ms === deadlineMs);
}

/** From what was planned. */
function isResumed({ windows }: Worker, { draining }: NodeOrder): boolean {
  return draining === false && windows.length > 0;
}

/** By id, or by name when one worker alone has it. */
export function findWorker(state: BrokerState, idOrName: string): Worker | undefined {
  const byId = state.workers.get(idOrName as Worker['id']);
  if (byId !== undefined) return byId;
  const [named, ...others] = state.names.holdersOf(idOrName);
  return named === undefined || others.length > 0 ? undefined : state.workers.get(named);
}

/** The newest of that name. */
function findRemoved({ removed }: BrokerState, idOrName: string): WorkerId | undefined {
  if (removed.has(idOrName as WorkerId)) return idOrName as WorkerId;
  return [...removed.keys()].findLast((id) => removed.get(id) === idOrName);
}

/** Whether it was done already, or is being done: its answer may wait for the journal still. */
export function isNodeOrderTaken(state: BrokerState, order: NodeOrder): boolean {
  const { node } = order;
  const worker = findWorker(state, node);
  if (order.window !== undefined) return worker?.windows.some(({ id }) => id === order.window) ?? false;
  if (order.draining !== undefined)
    return worker !== undefined && isAsOrdered(worker, order) && !isResumed(worker, order);
  return worker === undefined ? findRemoved(state, node) !== undefined : state.revoking.has(worker.id);
}
