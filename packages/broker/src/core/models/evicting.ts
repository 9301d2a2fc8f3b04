/**
 * Room for a model that fits nowhere as it is: idle instances of others end for it (E34). For other tasks: room-for-tasks.ts.
 *
 * 1. Of others only what is beyond their `replicas.min`, has answered nobody for a moment, has nobody waiting, and has had its
 *    chance: it has answered somebody since it was ready, or had the time to.
 * 2. No more than are needed; those used least lately first.
 * 3. Where all are busy those who wait for longer than a turn are owed one: an instance that has had its turn takes no more
 *    requests, ends with the last of those it has, and what it leaves is theirs before it is anybody's.
 */
import { formatTaskId, type WorkerId } from '@gryphgen/protocol';
import { type WorkerView, without } from '@gryphgen/scheduler';
import type { Context } from '../context.ts';
import { fewest } from '../placing/fewest.ts';
import type { BrokerState, Task } from '../state.ts';
import { idleFor, lastUse, leastUsedFirst, unload } from './ending-instances.ts';
import { isReady, noteInstances, usableOf } from './hosting.ts';
import type { Model } from './model-book.ts';
import { instanceLife, type ModelLife } from './model-life.ts';
import { type PlanOptions, planInstance } from './model-plans.ts';

/** Ready for less than this, it was not even looked for by those who asked for it. */
export const leastReadyMs = 5000;
/** Between two questions of one who asks without a pause it is not idle. */
const leastIdleMs = 1000;
/** For so long it may wait to be asked first; a turn, and how long is waited for one. */
const turnMs = 30_000;
/** A turn is so many times as long as the load was: what is swapped must pay. */
export const turnLoads = 4;
/** What is owed: for the answers that are under way, and for a load to begin. */
const owedMs = 10 * 60_000;

export interface Way {
  readonly ended: readonly Task[];
  /** Watch time. */
  readonly usedLast: number;
}

export function makeRoom(context: Context, model: Model, life: ModelLife, options: PlanOptions): void {
  const { state } = context;
  const { spec } = model;
  const fits = (view: WorkerView): boolean => !('reasons' in planInstance(spec, [view], options));
  const best = bestWay(state, evictable(state, spec.name), fits);
  if (best === undefined) {
    if (state.watch - (life.waitsSince ?? state.watch) >= turnMs) takeTurn(context, spec.name, life, fits);
    return;
  }
  unloadAll(context, best, spec.name);
  life.makesRoom = best.ended.map(({ id }) => id);
  life.reasons = [`room is made for it: ${best.ended.map(wordsOf).join(', ')} unloaded`];
}

/** From those that have had theirs, however busy they are. */
function takeTurn(
  { state, now }: Context,
  name: string,
  life: ModelLife,
  fits: (view: WorkerView) => boolean,
): void {
  const best = bestWay(state, replaceable(state, name), fits);
  const worker = best?.ended[0]?.lease?.worker;
  if (best === undefined || worker === undefined) return;
  for (const task of best.ended) {
    const of = nameOf(task);
    state.models.lifeOf(of).leaving.set(task.id, { at: now.wall, words: `it was ${name}'s turn` });
    noteInstances(state, of);
  }
  life.makesRoom = best.ended.map(({ id }) => id);
  life.owed = { worker, until: state.watch + owedMs };
  life.reasons = [
    `it has waited for its turn: ${best.ended.map(wordsOf).join(', ')} ends with its last answers`,
  ];
}

/** The model that room on this worker was made for, if that is another. */
export function owedTo(state: BrokerState, worker: WorkerId, name: string): string | undefined {
  for (const other of state.models.known.keys()) {
    const { owed, waitsSince } = state.models.lifeOf(other);
    if (other !== name && owed?.worker === worker && waitsSince !== null && state.watch < owed.until)
      return other;
  }
  return undefined;
}

/** Ready the longest first. */
function replaceable(state: BrokerState, besides: string): readonly Task[] {
  const found: { readonly task: Task; readonly readyAt: number }[] = [];
  for (const [name, { spec }] of state.models.known) {
    if (name === besides) continue;
    const life = state.models.lifeOf(name);
    const ready = usableOf(state, name).filter(isReady);
    const readySince = (task: Task): number => instanceLife(life, task.id).readySince ?? state.watch;
    const turnOf = (task: Task): number => Math.max(turnMs, turnLoads * instanceLife(life, task.id).loadMs);
    const served = ready.filter((task) => state.watch - readySince(task) >= turnOf(task));
    const spare = Math.max(0, ready.length - spec.replicas.min);
    for (const task of served.slice(0, spare)) found.push({ task, readyAt: readySince(task) });
  }
  return found.sort((a, b) => a.readyAt - b.readyAt || a.task.id - b.task.id).map(({ task }) => task);
}

export function unloadAll(context: Context, { ended }: Way, what: string): void {
  for (const task of ended)
    unload(context, context.state.models.lifeOf(nameOf(task)), task, `it made room for ${what}`);
}

export function bestWay(
  state: BrokerState,
  mayEnd: readonly Task[],
  fits: (view: WorkerView) => boolean,
): Way | undefined {
  let best: Way | undefined;
  for (const view of state.views) {
    const here = mayEnd.filter(({ lease }) => lease?.worker === view.id);
    const way = here.length === 0 ? undefined : wayOn(state, view, here, fits);
    if (way !== undefined && (best === undefined || isBetter(way, best))) best = way;
  }
  return best;
}

export function wordsOf(task: Task): string {
  return `${formatTaskId(task.id)} (${nameOf(task)})`;
}

function isBetter(one: Way, other: Way): boolean {
  if (one.ended.length !== other.ended.length) return one.ended.length < other.ended.length;
  return one.usedLast < other.usedLast;
}

export function evictable(state: BrokerState, besides?: string): readonly Task[] {
  const found: { readonly task: Task; readonly usedAt: number }[] = [];
  for (const [name, { spec }] of state.models.known) {
    const life = state.models.lifeOf(name);
    if (name === besides || life.waitsSince !== null) continue;
    const ready = usableOf(state, name).filter(isReady);
    const idle = ready.filter((task) => isIdle(state, name, life, task));
    const spare = Math.max(0, ready.length - spec.replicas.min);
    for (const task of leastUsedFirst(life, idle).slice(0, spare))
      found.push({ task, usedAt: lastUse(life, task) });
  }
  return found.sort((a, b) => a.usedAt - b.usedAt || a.task.id - b.task.id).map(({ task }) => task);
}

function isIdle(state: BrokerState, name: string, life: ModelLife, task: Task): boolean {
  const { readySince } = instanceLife(life, task.id);
  if (readySince === null || idleFor(state, name, life, task) < leastIdleMs) return false;
  const readyMs = state.watch - readySince;
  return readyMs >= leastReadyMs && (lastUse(life, task) > readySince || readyMs >= turnMs);
}

/** Those used least lately, until there is enough; then without those that are not needed after all. */
function wayOn(
  state: BrokerState,
  view: WorkerView,
  mayEnd: readonly Task[],
  fitsIn: (view: WorkerView) => boolean,
): Way | undefined {
  const fits = (ended: readonly Task[]): boolean =>
    fitsIn(
      without(
        view,
        ended.flatMap(({ lease }) => (lease === null ? [] : [lease.reservation])),
      ),
    );
  const ended = fewest(mayEnd, fits);
  if (ended === undefined) return undefined;
  const used = ended.map((task) => lastUse(state.models.lifeOf(nameOf(task)), task));
  return { ended, usedLast: Math.max(...used) };
}

export function nameOf({ spec }: Task): string {
  return spec.envelope.model ?? '';
}
