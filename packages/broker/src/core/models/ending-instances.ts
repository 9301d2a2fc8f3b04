/** Instances that the broker ends by itself: those that nobody asks for long, that take no requests any more, or that find no place. */
import { failure, formatDuration, type WorkerId } from '@gryphgen/protocol';
import { type Context, decide, mustWait, sendStop } from '../context.ts';
import { end } from '../outcomes.ts';
import { decided } from '../record/decisions.ts';
import type { BrokerState, Task } from '../state.ts';
import { isEnding, isReady, usableOf } from './hosting.ts';
import { instanceLife, type ModelLife } from './model-life.ts';

/** Slots are given back sooner, mostly. */
const stuckMs = 10_000;

/** Ends it, or has its worker do so; why is told with its end. */
export function unload(context: Context, life: ModelLife, task: Task, words: string): void {
  const { state, now } = context;
  if (task.cancelRequested || mustWait(state, task.id)) return;
  const why = failure('cancelled.broker', words);
  life.endings.set(task.id, why);
  if (task.lease === null) {
    end(context, task, 'cancelled', why);
    return;
  }
  decide(context, [decided.cancelRequested, task.id, now.wall]);
  const worker = state.workers.get(task.lease.worker);
  if (worker) sendStop(context, task, worker);
}

export function endIdle(context: Context, name: string, life: ModelLife): void {
  const { state } = context;
  for (const id of state.models.instancesOf(name)) {
    const task = state.tasks.get(id) as Task;
    if (isEnding(task)) continue;
    const retired = retirement(state, name, task);
    if (retired !== undefined && !isAskedBefore(state, name, task, retired.at))
      unload(context, life, task, retired.words);
  }
  if (life.waitsSince !== null) endStuck(context, name, life, life.waitsSince);
  const { idleMs = 0, replicas } = state.models.known.get(name)?.spec ?? {};
  if (replicas === undefined || life.waitsSince !== null) return;
  const ready = usableOf(state, name).filter(isReady);
  const idle = leastUsedFirst(
    life,
    ready.filter((task) => idleFor(state, name, life, task) >= idleMs),
  );
  for (const task of idle.slice(0, Math.max(0, ready.length - replicas.min)))
    unload(context, life, task, `nobody asked for ${formatDuration(idleMs)}`);
  // More than may be: they were begun while the machine of another was to be empty.
  const unasked = ready.filter((task) => !task.cancelRequested && idleFor(state, name, life, task) > 0);
  const beyond = ready.filter((task) => !task.cancelRequested).length - replicas.max;
  for (const task of leastUsedFirst(life, unasked).slice(0, Math.max(0, beyond)))
    unload(context, life, task, `there may be ${replicas.max} of its model`);
}

/** While requests wait for it, it is of no use where its machine has no slot for them: others hold all there are. */
function endStuck(context: Context, name: string, life: ModelLife, since: number): void {
  const { state } = context;
  if (state.watch - since < stuckMs) return;
  for (const task of usableOf(state, name)) {
    const view = task.lease === null ? undefined : state.workers.get(task.lease.worker)?.view;
    // Room that is kept there for another task takes a slot, too; and that task may wait for this very instance to end.
    const claimed = state.claims.filter((claim) => claim.worker === view?.id).length;
    const isFull = view?.report != null && view.ledger.attempts + claimed >= view.report.slots;
    if (isFull && idleFor(state, name, life, task) >= stuckMs)
      unload(context, life, task, 'its machine has no slot left for who asks it');
  }
}

/** Why it takes no more requests, and since when (wall ms). */
function retirement(
  { models, workers }: BrokerState,
  name: string,
  { id, lease }: Task,
): { readonly words: string; readonly at: number } | undefined {
  const model = models.known.get(name);
  const always = Number.POSITIVE_INFINITY;
  if (model === undefined) return { words: 'its model was removed', at: always };
  if (!models.isCurrent(name, id))
    return { words: 'its model is served in another way now', at: model.addedAt };
  const leaving = models.lifeOf(name).leaving.get(id);
  if (leaving !== undefined) return leaving;
  const isDraining = lease !== null && workers.get(lease.worker)?.view.draining === true;
  return isDraining ? { words: 'its machine is draining', at: always } : undefined;
}

/** Whether requests that were placed there before (wall ms) are answered still: later ones are another instance's. */
function isAskedBefore(
  { workers, tasks }: BrokerState,
  name: string,
  { lease }: Task,
  before: number,
): boolean {
  const worker = lease === null ? undefined : workers.get(lease.worker);
  if (worker === undefined || !worker.view.ledger.asking.has(name)) return false;
  for (const id of worker.tasks) {
    const request = tasks.get(id);
    const { reservation, leasedAt } = request?.lease ?? {};
    if (reservation?.model === name && leasedAt !== undefined && leasedAt <= before) return true;
  }
  return false;
}

/** Milliseconds for which it has been ready and nobody asked; 0 while somebody does. */
export function idleFor({ workers, watch }: BrokerState, name: string, life: ModelLife, task: Task): number {
  const worker = task.lease === null ? undefined : workers.get(task.lease.worker);
  const { readySince } = instanceLife(life, task.id);
  if (worker === undefined || readySince === null || worker.view.ledger.asking.has(name)) return 0;
  return watch - Math.max(readySince, usedOn(life, worker.id));
}

export function leastUsedFirst(life: ModelLife, instances: readonly Task[]): readonly Task[] {
  return instances.toSorted((a, b) => lastUse(life, a) - lastUse(life, b) || a.id - b.id);
}

/** Watch time; of one that nobody has asked yet, since when it is ready. */
export function lastUse(life: ModelLife, { id, lease }: Task): number {
  return Math.max(instanceLife(life, id).readySince ?? 0, lease === null ? 0 : usedOn(life, lease.worker));
}

function usedOn({ usedOn }: ModelLife, worker: WorkerId): number {
  return usedOn.get(worker) ?? Number.NEGATIVE_INFINITY;
}
