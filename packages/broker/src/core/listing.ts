/** What `ps` lists of the tasks that live: those that run first, however old, then the newest that wait. */
import type { PrincipalId, RequestArgs, TaskId } from '@gryphgen/protocol';
import { type Context, reply } from './context.ts';
import { taskDocument } from './documents.ts';
import { onlyOf } from './principals/roles.ts';
import type { BrokerState, Session, Task } from './state.ts';

/** Tasks looked at to find the newest of those that run, or of those that wait: some 10 ms. */
const lookedAt = 20_000;

/**
 * At most `limit` tasks, newest first; of those that run, or wait, by far too many to look at, some are passed over.
 * `owner`: whose alone; null: everybody's.
 */
function newestLive(state: BrokerState, limit: number, owner: PrincipalId | null = null): Task[] {
  const found = (owner !== null && tasksOf(state, owner)) || [...leased(state), ...queued(state, limit)];
  const listed = owner === null ? found : found.filter(({ principal }) => principal === owner);
  const running = newest(
    listed.filter(({ lease }) => lease !== null),
    limit,
  );
  const waiting = newest(
    listed.filter(({ lease }) => lease === null),
    limit - running.length,
  );
  return newest([...running, ...waiting], limit);
}

function newest(tasks: readonly Task[], limit: number): Task[] {
  return [...tasks].sort((a, b) => b.turn - a.turn || b.id - a.id).slice(0, limit);
}

/** All of a principal's, unless they are too many to look at. */
function tasksOf({ shares, tasks }: BrokerState, owner: PrincipalId): Task[] | undefined {
  const ids: ReadonlySet<TaskId> = shares.get(owner)?.tasks ?? new Set();
  return ids.size > lookedAt ? undefined : [...ids].map((id) => tasks.get(id) as Task);
}

/** Of each worker as many as there is time for, those it has held longest first. */
function leased({ workers, tasks }: BrokerState): Task[] {
  const each = Math.max(1, Math.ceil(lookedAt / Math.max(1, workers.size)));
  const found: Task[] = [];
  for (const worker of workers.values()) {
    for (const id of worker.tasks.size > each ? [...worker.tasks].slice(0, each) : worker.tasks) {
      const task = tasks.get(id);
      if (task !== undefined) found.push(task);
    }
  }
  return found;
}

/** Of very many only those in line: the newest of each class. */
function queued(state: BrokerState, limit: number): Task[] {
  const found: Task[] = [];
  if (state.tasks.size <= lookedAt) {
    for (const task of state.tasks.values()) if (task.lease === null) found.push(task);
    return found;
  }
  const classes = state.waiting.classes();
  const each = Math.min(limit, Math.max(1, Math.ceil(lookedAt / classes.length)));
  for (const one of classes) {
    for (const id of state.waiting.last(one, each)) found.push(state.tasks.get(id) as Task);
  }
  return found;
}

export function onPs(
  context: Context,
  session: Session,
  id: number,
  { all, limit }: RequestArgs<'ps'>,
): void {
  const { state } = context;
  const owner = onlyOf(session, 'ps');
  const rows = newestLive(state, limit, owner).map((task) => taskDocument(state, task));
  if (!all) {
    reply(context, session.id, id, rows);
    return;
  }
  const seen = [...state.ended.values()].filter(({ principal }) => owner === null || principal === owner);
  const ended = seen.slice(-limit).map((task) => taskDocument(state, task));
  const recent = [...rows, ...ended].sort((a, b) => b.queuedAt - a.queuedAt).slice(0, limit);
  if (recent.length === limit) reply(context, session.id, id, recent);
  else
    context.effects.push({
      kind: 'history',
      session: session.id,
      request: id,
      recent,
      onlyOf: owner,
      limit,
    });
}
