/** Tasks whose end somebody waits for. `finished` is not acknowledged, so the question is repeated (E7). */
import type { Changed, Finished, TaskId } from '@gryphgen/protocol';
import { limits } from '@gryphgen/protocol';
import { admit, type Context, send } from './context.ts';
import type { WatchEvent } from './events.ts';
import type { Awaited } from './state.ts';

/** E7: heartbeats after which a task still awaited is asked for again. */
const repeatHeartbeats = 10;

export function onWatch(context: Context, event: WatchEvent): void {
  const { state } = context;
  const { ref, task, progress } = event;
  const isFull = state.awaited.size + state.submissions.size >= state.bounds.awaited;
  if (!admit(context, ref, isFull && !state.awaited.has(task) ? 'awaited' : undefined)) return;
  awaitTask(context, task, ref, progress);
  if (state.session !== null) send(context, { kind: 'watch', tasks: [task], progress });
}

/** The submitter is told without asking (E7); others ask. */
export function awaitTask({ state, now }: Context, task: TaskId, ref: number, progress: boolean): void {
  const known = state.awaited.get(task);
  if (known === undefined) {
    const wantsProgress = progress ? [ref] : [];
    state.awaited.set(task, { task, refs: [ref], progress: wantsProgress, watchedMono: now.mono });
    return;
  }
  known.refs = [...known.refs, ref];
  if (progress) known.progress = [...known.progress, ref];
}

export function onFinished({ state, effects }: Context, message: Finished): void {
  const awaited = state.awaited.get(message.task);
  if (awaited === undefined) return;
  state.awaited.delete(message.task);
  for (const ref of awaited.refs) effects.push({ kind: 'finished', ref, message });
}

export function onChanged({ state, effects }: Context, message: Changed): void {
  for (const ref of state.awaited.get(message.task)?.progress ?? [])
    effects.push({ kind: 'changed', ref, message });
}

/** All of them in a new session, else those not asked for lately. */
export function repeatWatches(context: Context, inNewSession: boolean): void {
  const { state, now } = context;
  const askedBefore = now.mono - repeatHeartbeats * state.timers.heartbeatMs;
  const due: Awaited[] = [];
  for (const awaited of state.awaited.values()) {
    if (!inNewSession && awaited.watchedMono > askedBefore) break;
    due.push(awaited);
  }
  for (const awaited of due) {
    awaited.watchedMono = now.mono;
    state.awaited.delete(awaited.task);
    state.awaited.set(awaited.task, awaited);
  }
  watch(context, due, false);
  watch(context, due, true);
}

function watch(context: Context, due: readonly Awaited[], progress: boolean): void {
  const tasks = due.filter((awaited) => awaited.progress.length > 0 === progress).map(({ task }) => task);
  for (let from = 0; from < tasks.length; from += limits.watchTasks) {
    send(context, { kind: 'watch', tasks: tasks.slice(from, from + limits.watchTasks), progress });
  }
}
