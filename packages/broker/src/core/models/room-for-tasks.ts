/**
 * Room for tasks that wait, of whatever kind: instances of models that nobody asks end for them (E34), as for another model.
 *
 * 1. What is unloaded must pay: only one that nobody has asked for `turnLoads` times as long as its load there took last, which is
 *    `mostPatienceMs` at most. A queue that never ends is not to have each question load its model anew.
 * 2. One at a time, since what ends takes a while.
 */
import { formatTaskId, type TaskId } from '@gryphgen/protocol';
import { lackNow, type WorkerView } from '@gryphgen/scheduler';
import type { Context } from '../context.ts';
import { waitsSince } from '../placing/aging.ts';
import { quotaAgainst } from '../principals/quotas.ts';
import { classOwner, mayRunNoMore } from '../principals/shares.ts';
import type { BrokerState, Task } from '../state.ts';
import { chargedAs } from '../workers/charging.ts';
import { idleFor } from './ending-instances.ts';
import {
  bestWay,
  evictable,
  leastReadyMs,
  nameOf,
  turnLoads,
  unloadAll,
  type Way,
  wordsOf,
} from './evicting.ts';

/** Of one whose load takes long, or of which that is not known. */
const mostPatienceMs = 30_000;
const lookEveryMs = 1000;
/** Of each look: the first of so many classes. */
const classesEach = 16;

/** With each tick: for the first of a class that waits and would fit then. */
export function makeRoomForTasks(context: Context): void {
  const { state, now } = context;
  const { models } = state;
  if (models.known.size === 0 || state.watch < models.room.dueAt) return;
  models.room.dueAt = state.watch + lookEveryMs;
  if (isBeingMade(state)) return;
  const mayEnd = evictable(state).filter((task) => givesWayIn(state, task) === 0);
  if (mayEnd.length === 0) return;
  for (const from of state.waiting.classes().slice(0, classesEach)) {
    const task = state.tasks.get(state.waiting.first(from) as TaskId) as Task;
    if (now.wall - waitsSince(from, task) < lookEveryMs || mayRunNoMore(state, from.owner)) continue;
    const way = wayFor(state, task, mayEnd);
    if (way === undefined) continue;
    unloadAll(context, way, formatTaskId(task.id));
    models.room.ended = way.ended.map(({ id }) => id);
    models.room.task = task.id;
    return;
  }
}

/** For a task that waits: what is unloaded for it, or will be, and when. */
export function roomWords(state: BrokerState, task: Task): string | undefined {
  const { room } = state.models;
  if (room.task === task.id && isBeingMade(state)) {
    const ended = room.ended.flatMap((id) => state.tasks.get(id) ?? []);
    return `room is made for it: ${ended.map(wordsOf).join(', ')} unloaded`;
  }
  const among = state.waiting.classOf(task.spec, task.id, classOwner(state, task.principal));
  if (state.waiting.first(among) !== task.id) return undefined;
  const way = wayFor(state, task, evictable(state));
  if (way === undefined) return undefined;
  const inMs = Math.max(...way.ended.map((one) => givesWayIn(state, one)));
  return `${way.ended.map(wordsOf).join(', ')} makes room for it in ${Math.ceil(inMs / 1000)} s, unless somebody asks before`;
}

function isBeingMade({ models, tasks }: BrokerState): boolean {
  return models.room.ended.some((id) => tasks.has(id));
}

/** Undefined where it fits as it is, has its room by another way, or would not fit then. */
function wayFor(state: BrokerState, task: Task, mayEnd: readonly Task[]): Way | undefined {
  if (mayEnd.length === 0 || task.spec.envelope.model !== undefined) return undefined;
  if (quotaAgainst(state, task) !== undefined) return undefined;
  const envelope = chargedAs(state, task.spec.envelope);
  const fits = (view: WorkerView): boolean => lackNow(envelope, view) === 0;
  return state.views.some(fits) ? undefined : bestWay(state, mayEnd, fits);
}

/** Milliseconds until it may end for a task, if nobody asks it. */
function givesWayIn(state: BrokerState, task: Task): number {
  const { models } = state;
  const name = nameOf(task);
  const worker = task.lease?.worker;
  const loadMs = worker === undefined ? undefined : models.lessons.loads.of(name, worker);
  const patienceMs =
    loadMs === undefined
      ? mostPatienceMs
      : Math.min(mostPatienceMs, Math.max(leastReadyMs, turnLoads * loadMs));
  return Math.max(0, patienceMs - idleFor(state, name, models.lifeOf(name), task));
}
