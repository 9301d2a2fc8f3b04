/** Questions and orders on the slow path. Orders are idempotent: a peer repeats them after a lost connection. */
import type { Failure, NodeDocument, Operation, Request, RequestArgs, TaskId } from '@gryphgen/protocol';
import { failure, isEphemeral, isOperation, requestSchemas } from '@gryphgen/protocol';
import { isMoved } from './collections/moving-shards.ts';
import { type CollectionOrder, isPlaced, onCollections } from './collections/placing-collections.ts';
import type { Context } from './context.ts';
import { journalStalled, refuse, reply } from './context.ts';
import { nodeDocument, statusDocument, taskDocument } from './documents.ts';
import type { AskedOfTask, EnrolmentOrder } from './effects.ts';
import { onPs } from './listing.ts';
import { isModelOrderTaken, isTuningTaken, type ModelOrder, onModelRequest } from './models/model-orders.ts';
import { cancel } from './outcomes.ts';
import { explainRefusal } from './placing/explained-refusal.ts';
import { dryRunDocument, explainDocument } from './placing/explaining.ts';
import { isPolicyOrderTaken, onPromote, onRollBack, policyDocument } from './placing/policy-orders.ts';
import { mayWith, onlyOf } from './principals/roles.ts';
import type { BrokerState, Session, Task } from './state.ts';
import { onFetch, onStore } from './workers/artifacts.ts';
import { onAnswers, onBeside, onExec, onLogs, onPushImage } from './workers/granting.ts';
import { isNodeOrderTaken, onNode } from './workers/node-orders.ts';

export function onRequest(context: Context, session: Session, request: Request): void {
  if (!isOperation(request.op)) {
    refuse(context, session.id, request.id, failure('rejected.invalid', `no operation "${request.op}"`));
    return;
  }
  const args = requestSchemas[request.op].safeParse(request.args);
  if (!args.success) {
    const issue = args.error.issues[0];
    const words = `${request.op}: ${issue?.path.join('.') ?? ''} ${issue?.message ?? 'invalid'}`;
    refuse(context, session.id, request.id, failure('rejected.invalid', words));
    return;
  }
  const why = refusalInStall(context.state, session, request.op, args.data);
  // Of an order that was taken before the stall the answer is still held back: a refusal would belie it (E19).
  if (why !== undefined && isTaken(context.state, session, request.op, args.data)) return;
  if (why !== undefined) refuse(context, session.id, request.id, why);
  else answer(context, session, request.id, request.op, args.data);
}

/** In a stall, what needs the journal is refused: orders need to write it, questions about the past to read it (E19). */
function refusalInStall(
  state: BrokerState,
  session: Session,
  op: Operation,
  args: unknown,
): Failure | undefined {
  if (!state.journalStalled) return undefined;
  switch (op) {
    case 'drain':
    case 'planDrain':
    case 'removeNode':
    case 'promotePolicy':
    case 'rollBackPolicy':
    case 'addModel':
    case 'removeModel':
    case 'loadModel':
    case 'unloadModel':
    case 'tuneModel':
    case 'placeCollection':
    case 'moveShard':
    case 'spec':
      return journalStalled;
    case 'pastTasks':
      return historyStalled;
    case 'cancel':
      return isEphemeral((args as RequestArgs<'cancel'>).task) ? undefined : journalStalled;
    case 'ps':
      return (args as RequestArgs<'ps'>).all ? historyStalled : undefined;
    case 'show':
    case 'explain':
    case 'logs':
    case 'fetch':
    case 'exec': {
      const asked = args as RequestArgs<'explain'>;
      const known = 'refusal' in asked || taskOf(state, session, op, asked.task) !== undefined;
      return known ? undefined : historyStalled;
    }
    case 'nodes':
    case 'policy':
    case 'status':
    case 'dryRun':
    case 'models':
    case 'planModel':
    case 'collections':
    case 'pushImage':
    case 'answers':
    case 'store':
    case 'keepLogs':
    case 'relay':
    // The list of who may enter is a file of its own.
    case 'createTicket':
    case 'enrol':
    case 'principals':
    case 'revokePrincipal':
    case 'tickets':
    case 'revokeTicket':
    case 'announce':
    // Reads what is there, whatever can be written.
    case 'fsck':
      return undefined;
    default:
      return op satisfies never;
  }
}

function isTaken(state: BrokerState, session: Session, op: Operation, args: unknown): boolean {
  if (op === 'drain' || op === 'planDrain' || op === 'removeNode')
    return isNodeOrderTaken(state, args as RequestArgs<'removeNode'>);
  if (op === 'promotePolicy' || op === 'rollBackPolicy')
    return isPolicyOrderTaken(state, args as RequestArgs<'promotePolicy'>);
  if (op === 'addModel' || op === 'removeModel')
    return isModelOrderTaken(state, args as Partial<RequestArgs<'addModel'> & RequestArgs<'removeModel'>>);
  if (op === 'tuneModel') return isTuningTaken(state, args as RequestArgs<'tuneModel'>);
  if (op === 'placeCollection') return isPlaced(state, args as RequestArgs<'placeCollection'>);
  if (op === 'moveShard') return isMoved(state, args as RequestArgs<'moveShard'>);
  if (op !== 'cancel') return false;
  const task = taskOf(state, session, op, (args as RequestArgs<'cancel'>).task);
  return task !== undefined && (task.cancelRequested || task.outcome?.state === 'cancelled');
}

const historyStalled = failure(
  'unplaceable.journal',
  'tasks that ended long ago stand in the journal, which does not answer now; try again later',
);

/** One with which the session may do this. Any other is looked up as if it were not here, and not found there either. */
function taskOf(state: BrokerState, session: Session, op: Operation, id: TaskId): Task | undefined {
  const task = state.tasks.get(id) ?? state.ended.get(id);
  return task !== undefined && mayWith(session, op, task) ? task : undefined;
}

function answer(context: Context, session: Session, id: number, op: Operation, args: unknown): void {
  const { state } = context;
  switch (op) {
    case 'ps':
      onPs(context, session, id, args as RequestArgs<'ps'>);
      return;
    case 'nodes':
      reply(context, session.id, id, nodeDocuments(state, session));
      return;
    case 'policy':
      reply(context, session.id, id, policyDocument(state));
      return;
    case 'pastTasks': {
      const { before = null, limit } = args as RequestArgs<'pastTasks'>;
      context.effects.push({ kind: 'pastTasks', session: session.id, request: id, before, limit });
      return;
    }
    case 'promotePolicy':
      onPromote(context, session, id, args as RequestArgs<'promotePolicy'>);
      return;
    case 'rollBackPolicy':
      onRollBack(context, session, id, args as RequestArgs<'rollBackPolicy'>);
      return;
    case 'status':
      context.effects.push({
        kind: 'status',
        session: session.id,
        request: id,
        status: statusDocument(state),
      });
      return;
    case 'dryRun':
      reply(
        context,
        session.id,
        id,
        dryRunDocument(state, session, (args as RequestArgs<'dryRun'>).envelope),
      );
      return;
    case 'pushImage':
      onPushImage(context, session, id, (args as RequestArgs<'pushImage'>).node);
      return;
    case 'answers':
      onAnswers(context, session, id, (args as RequestArgs<'answers'>).node);
      return;
    case 'models':
    case 'planModel':
    case 'addModel':
    case 'removeModel':
    case 'loadModel':
    case 'unloadModel':
    case 'tuneModel':
      onModelRequest(context, session, id, { op, args } as ModelOrder);
      return;
    case 'collections':
    case 'placeCollection':
    case 'moveShard':
      onCollections(context, session, id, { op, args } as CollectionOrder);
      return;
    case 'store':
      onStore(context, session, id, args as RequestArgs<'store'>);
      return;
    case 'fetch': {
      const { task, artifact } = args as RequestArgs<'fetch'>;
      onTask(context, session, id, op, task, { artifact });
      return;
    }
    case 'keepLogs':
    case 'relay':
      onBeside(context, session, id, op);
      return;
    case 'drain':
    case 'planDrain':
    case 'removeNode':
      onNode(context, session, id, op, args as RequestArgs<'removeNode'>);
      return;
    case 'createTicket':
    case 'enrol':
    case 'principals':
    case 'revokePrincipal':
    case 'tickets':
    case 'revokeTicket':
    case 'announce':
      context.effects.push({
        kind: 'enrolment',
        session: session.id,
        request: id,
        principal: session.principal,
        order: { op, args } as EnrolmentOrder,
      });
      return;
    case 'fsck':
      context.effects.push({ kind: 'fsck', session: session.id, request: id });
      return;
    case 'explain': {
      const asked = args as RequestArgs<'explain'>;
      if ('refusal' in asked) explainRefusal(context, session, id, asked.refusal);
      else onTask(context, session, id, op, asked.task);
      return;
    }
    case 'logs': {
      const { task, kept } = args as RequestArgs<'logs'>;
      onTask(context, session, id, op, task, { kept });
      return;
    }
    case 'show':
    case 'exec':
    case 'spec':
    case 'cancel':
      onTask(context, session, id, op, (args as RequestArgs<'show'>).task);
      return;
    default:
      op satisfies never;
  }
}

type TaskOperation = 'show' | 'explain' | 'logs' | 'exec' | 'spec' | 'cancel' | 'fetch';

function onTask(
  context: Context,
  session: Session,
  id: number,
  op: TaskOperation,
  taskId: TaskId,
  asked: AskedOfTask = {},
): void {
  const { state } = context;
  const task = taskOf(state, session, op, taskId);
  if (task === undefined) {
    context.effects.push({
      kind: 'lookup',
      session: session.id,
      task: taskId,
      onlyOf: onlyOf(session, op),
      answer: { kind: 'reply', request: id, op, ...asked },
    });
    return;
  }
  switch (op) {
    case 'show':
      reply(context, session.id, id, taskDocument(state, task));
      return;
    case 'explain':
      reply(context, session.id, id, explainDocument(state, task, context.now.wall));
      return;
    case 'spec':
      context.effects.push({
        kind: 'spec',
        session: session.id,
        request: id,
        envelope: task.spec.envelope,
        body: task.body,
      });
      return;
    case 'logs':
      onLogs(context, session, id, task, asked.kept === true);
      return;
    case 'exec':
      onExec(context, session, id, task);
      return;
    case 'fetch':
      onFetch(context, session, id, task, asked.artifact ?? '');
      return;
    case 'cancel':
      if (task.phase !== 'ended') cancel(context, task);
      reply(context, session.id, id, taskDocument(state, task));
      return;
    default:
      op satisfies never;
  }
}

/** Machines are for everybody to see; which tasks they have, for who may see those. */
function nodeDocuments(state: BrokerState, session: Session): NodeDocument[] {
  const sees = (id: TaskId): boolean => taskOf(state, session, 'show', id) !== undefined;
  return [...state.workers.values()].map((worker) => nodeDocument(state, worker, sees));
}
