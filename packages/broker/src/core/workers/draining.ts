/**
 * The deadline of a drain (E17): what still runs there then is told to end, and goes elsewhere.
 *
 * 1. An attempt leaves its worker by its result alone, as ever: until that comes its task is not given to another.
 * 2. What has been told to end is told so until it has, whatever becomes of the drain: its signal cannot be taken back.
 */
import { type Failure, failure, formatTaskId } from '@gryphgen/protocol';
import type { Context } from '../context.ts';
import { mustWait, sendStop } from '../context.ts';
import type { Now } from '../events.ts';
import { noteInstance } from '../models/hosting.ts';
import { deadlinesOf } from '../record/apply-workers.ts';
import type { Task, Worker } from '../state.ts';
import type { DrainDeadline } from './drain-window.ts';

/** With each tick: a worker that was away, or a journal that did not write, is told when it can be. */
export function endDrained(context: Context, worker: Worker): void {
  if (worker.session === null || !isOverdue(worker, context.now)) return;
  for (const id of worker.tasks) {
    const task = context.state.tasks.get(id);
    if (!task?.lease || task.lease.drained || mustWait(context.state, id)) continue;
    task.lease.drained = true;
    noteInstance(context.state, task);
    sendStop(context, task, worker);
  }
}

/**
 * Why an attempt that its worker ended has no outcome. A worker that does not know drains says of every stop that it was a
 * cancel. What no drain of this epoch can have ended is a loss like any other, and counts.
 */
export function whyEnded({ now }: Context, task: Task, worker: Worker, told: Failure): Failure {
  const isDrain = told.code === 'lost.drained' || told.code === 'cancelled.user';
  if (!isDrain || task.cancelRequested) return told;
  const by = task.lease?.preempted?.by;
  if (by !== undefined)
    return failure(
      'lost.preempted',
      `ended to make room for ${formatTaskId(by)}, which has a higher priority`,
    );
  const isOurs = task.lease?.drained || isOverdue(worker, now);
  const words = `${worker.view.name} was drained, and its deadline passed while this ran`;
  return failure(isOurs ? 'lost.drained' : 'lost.worker', words);
}

/**
 * Within an epoch the monotonic clock counts, from one to the next the wall clock: the machine may be gone when its people
 * said so, whether the broker ran until then or not. Whatever the wall clock says, no more is left than was ordered.
 */
function isOverdue(worker: Worker, now: Now): boolean {
  return deadlinesOf(worker).some((deadline) => hasPassed(deadline, now));
}

function hasPassed(deadline: DrainDeadline, { mono, wall }: Now): boolean {
  deadline.dueMono ??= mono + Math.min(deadline.at + deadline.ms - wall, deadline.ms);
  return mono >= deadline.dueMono;
}
