/**
 * Room for a model that fits nowhere as it is: idle instances of others end for it (E34).
 *
 * 1. Of others only what is beyond their `replicas.min`, answers nobody, has nobody waiting, and has had its turn: it has
 *    answered somebody since it was ready, or had the time to.
 * 2. No more than are needed; those used least lately first.
 */
import { formatTaskId } from '@gryphgen/protocol';
import { type WorkerView, without } from '@gryphgen/scheduler';
import type { Context } from './context.ts';
import { idleFor, lastUse, leastUsedFirst, unload } from './ending-instances.ts';
import { isReady, usableOf } from './hosting.ts';
import type { Model } from './model-book.ts';
import { instanceLife, type ModelLife } from './model-life.ts';
import { type PlanOptions, planInstance } from './model-plans.ts';
import type { BrokerState, Task } from './state.ts';

/** Ready for less than this, it was not even looked for by those who asked for it. */
const leastReadyMs = 5000;
/** For so long it may wait to be asked first. */
const turnMs = 30_000;

interface Way {
  readonly ended: readonly Task[];
  /** Watch time. */
  readonly usedLast: number;
}

export function makeRoom(context: Context, model: Model, life: ModelLife, options: PlanOptions): void {
  const { state } = context;
  const { name } = model.spec;
  const mayEnd = evictable(state, name);
  let best: Way | undefined;
  for (const view of state.views) {
    const here = mayEnd.filter(({ lease }) => lease?.worker === view.id);
    const way = here.length === 0 ? undefined : wayOn(state, model, view, here, options);
    if (way !== undefined && (best === undefined || isBetter(way, best))) best = way;
  }
  if (best === undefined) return;
  for (const task of best.ended)
    unload(context, state.models.lifeOf(nameOf(task)), task, `it made room for ${name}`);
  life.makesRoom = best.ended.map(({ id }) => id);
  life.reasons = [`room is made for it: ${best.ended.map(wordsOf).join(', ')} unloaded`];
}

function wordsOf(task: Task): string {
  return `${formatTaskId(task.id)} (${nameOf(task)})`;
}

function isBetter(one: Way, other: Way): boolean {
  if (one.ended.length !== other.ended.length) return one.ended.length < other.ended.length;
  return one.usedLast < other.usedLast;
}

function evictable(state: BrokerState, besides: string): readonly Task[] {
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
  if (readySince === null || idleFor(state, name, life, task) === 0) return false;
  const readyMs = state.watch - readySince;
  return readyMs >= leastReadyMs && (lastUse(life, task) > readySince || readyMs >= turnMs);
}

/** Those used least lately, until there is enough; then without those that are not needed after all. */
function wayOn(
  state: BrokerState,
  { spec }: Model,
  view: WorkerView,
  mayEnd: readonly Task[],
  options: PlanOptions,
): Way | undefined {
  const fits = (ended: readonly Task[]): boolean => {
    const reservations = ended.flatMap(({ lease }) => (lease === null ? [] : [lease.reservation]));
    return !('reasons' in planInstance(spec, [without(view, reservations)], options));
  };
  if (!fits(mayEnd)) return undefined;
  let ended: readonly Task[] = [];
  for (const task of mayEnd) {
    ended = [...ended, task];
    if (fits(ended)) break;
  }
  for (const task of ended.toReversed()) {
    const others = ended.filter((one) => one !== task);
    if (fits(others)) ended = others;
  }
  const used = ended.map((task) => lastUse(state.models.lifeOf(nameOf(task)), task));
  return { ended, usedLast: Math.max(...used) };
}

function nameOf({ spec }: Task): string {
  return spec.envelope.model ?? '';
}
