/**
 * The broker's own tasks of kind `instance`: begun, unloaded and ended as the models and those who ask them need it (E34).
 * Which there are stands in the tasks; what is to become of them is looked at anew with each tick.
 *
 * 1. Never more than one instance of a model is on its way, nor do more than `replicas.max` take requests.
 *    One more is begun while all places are taken, or where it would answer much sooner than any that is there.
 * 2. One that is idle ends when it is one too many: beyond `replicas.min` after `idleMs`, to make room for another model
 *    or a task that waits, or because it takes no requests any more. One that answers a request never does.
 * 3. One that finds no place within `placeMs`, or `awayMs` where its machine is away, is ended, and planned anew.
 */
import { type ClientId, failure, isEphemeral, type WorkerId } from '@gryphgen/protocol';
import { type Context, decide, mustWait } from '../context.ts';
import { decided } from '../record/decisions.ts';
import type { BrokerState, Task } from '../state.ts';
import { type Beginning, begin } from './beginning-instances.ts';
import { endIdle, unload } from './ending-instances.ts';
import { foreseenLoad, soonestAnswerMs } from './foreseen-speeds.ts';
import { isReady, slotsOf, usableOf } from './hosting.ts';
import { takeMeasured } from './measured-use.ts';
import type { Model } from './model-book.ts';
import { instanceLife, type ModelLife, provenMs } from './model-life.ts';
import { endWaiting } from './model-requests.ts';
import { neverWords } from './never-fits.ts';
import { makeRoomForTasks } from './room-for-tasks.ts';
import { learnLoad } from './untold-lessons.ts';

/** Something else took the place meanwhile, and may keep it for long; a machine that is away is seldom back at once. */
const placeMs = 10_000;
const awayMs = 2000;
/** Long enough to connect anew. */
const absenceMs = 10_000;
/** Requests that wait for so long while others are answered have another instance begun, if there may be one. */
const anotherAfterMs = 2000;
/** Those that answer may be slow: another is begun where the next answer would end in half the time, what loads for it included. */
const soonerShare = 1 / 2;

/** With each tick. */
export function lookAfterModels(context: Context): void {
  const { models } = context.state;
  models.due.clear();
  for (const name of models.names()) lookAfter(context, name);
  if (!context.state.journalStalled) makeRoomForTasks(context);
}

/** At the end of a turn: those of which something has changed. */
export function lookAfterDue(context: Context): void {
  const { models } = context.state;
  const due = [...models.due];
  models.due.clear();
  for (const name of due) lookAfter(context, name);
}

function lookAfter(context: Context, name: string): void {
  const { state } = context;
  const life = state.models.lifeOf(name);
  endTrial(context, name, life);
  const model = state.models.known.get(name);
  const tasks = state.models.instancesOf(name).map((id) => state.tasks.get(id) as Task);
  const { asking, placed } = state.models.of(name);
  follow(state, life, tasks);
  life.waitsSince = asking > placed ? (life.waitsSince ?? state.watch) : null;
  if (life.waitsSince !== null) endHopeless(context, name, life, tasks);
  if (state.journalStalled) return;
  replan(context, life, tasks);
  takeMeasured(context, life, tasks);
  endIdle(context, name, life);
  const beginning = model && whatToBegin(state, model, life);
  if (model !== undefined && beginning !== undefined) {
    begin(context, model, life, beginning);
    if (life.waitsSince !== null && neverWords(state, model) !== '') endHopeless(context, name, life, tasks);
  }
  if (model === undefined && state.models.of(name).instances.size === 0) state.models.forget(name);
}

/** A trial is of use to nobody but its client (E39). */
function endTrial(context: Context, name: string, life: ModelLife): void {
  const { state, now } = context;
  const trial = state.models.known.get(name)?.spec.trial;
  if (trial === undefined) return;
  const isThere = state.clientSessions.has((trial.client ?? '') as ClientId);
  life.absentSince = isThere ? null : (life.absentSince ?? state.watch);
  if (life.absentSince === null || state.watch - life.absentSince < absenceMs || state.journalStalled) return;
  decide(context, [decided.modelRemoved, name, now.wall]);
}

/** Notes since when each waits, or is ready. */
function follow(state: BrokerState, life: ModelLife, instances: readonly Task[]): void {
  for (const task of instances) {
    const of = instanceLife(life, task.id);
    const waits = task.phase === 'waiting' && task.notBefore === 0;
    of.waitsSince = waits ? (of.waitsSince ?? state.watch) : null;
    if (!isReady(task)) {
      of.readySince = null;
      of.loadsSince = task.lease === null ? null : (of.loadsSince ?? state.watch);
      continue;
    }
    if (of.readySince === null) Object.assign(life, { trouble: '', reasons: [] });
    if (of.loadsSince !== null) {
      of.loadMs = state.watch - of.loadsSince;
      if (task.lease !== null) loaded(state, task.spec.envelope.model, task.lease.worker, of.loadMs);
    }
    of.loadsSince = null;
    of.readySince ??= state.watch;
    if (state.watch - of.readySince < provenMs) continue;
    Object.assign(life, { failed: 0, troubles: 0 });
    life.shunned.clear();
  }
  if (life.makesRoom.length === 0) return;
  life.makesRoom = life.makesRoom.filter((id) => state.tasks.has(id));
  if (life.makesRoom.length === 0) life.planAgainAt = 0;
}

function loaded(state: BrokerState, model: string | undefined, worker: WorkerId, ms: number): void {
  if (model === undefined || state.models.isTrial(model)) return;
  const { spec } = state.models.known.get(model) ?? {};
  const view = state.workers.get(worker)?.view;
  const { measured, estimated } = spec && view ? foreseenLoad(state, spec, view) : {};
  learnLoad(state, model, worker, ms, measured ?? estimated);
}

/** Requests that wait for nothing that could come. */
function endHopeless(context: Context, name: string, life: ModelLife, instances: readonly Task[]): void {
  const { state } = context;
  const model = state.models.known.get(name);
  const never = model === undefined ? '' : neverWords(state, model);
  if (model === undefined)
    endWaiting(context, name, failure('rejected.not-found', `model "${name}" was removed from the grid`));
  else if (never !== '') endWaiting(context, name, failure('rejected.impossible', never), isEphemeral);
  else if (life.trouble !== '' && state.watch < life.tryAgainAt && !instances.some(isReady))
    endWaiting(context, name, failure('execution.model', life.trouble));
}

function replan(context: Context, life: ModelLife, instances: readonly Task[]): void {
  const { state } = context;
  for (const task of instances) {
    const { waitsSince, words } = instanceLife(life, task.id);
    if (waitsSince === null || mustWait(state, task.id)) continue;
    const worker = state.workers.get(task.spec.envelope.constraints.worker as WorkerId);
    if (state.watch - waitsSince < (worker?.view.connected ? placeMs : awayMs)) continue;
    unload(context, life, task, `it found no place ${words}`.trimEnd());
  }
}

/** Undefined: nothing now. */
function whatToBegin(
  state: BrokerState,
  { spec: { name, replicas } }: Model,
  life: ModelLife,
): Beginning | undefined {
  if (life.isPreparing || life.makesRoom.length > 0) return undefined;
  if (state.watch < life.tryAgainAt || state.watch < life.planAgainAt) return undefined;
  const usable = usableOf(state, name);
  if (usable.length >= replicas.max) life.isWanted = false;
  if (usable.length >= replicas.max || !usable.every(isReady)) return undefined;
  if (usable.length < replicas.min || life.isWanted) return { mayEvict: true };
  if (usable.length === 0) return life.waitsSince === null ? undefined : { mayEvict: true };
  const isUrgent = life.waitsSince !== null && state.watch - life.waitsSince >= anotherAfterMs;
  if (isUrgent && !hasFree(state, name, usable)) return { mayEvict: false };
  if (state.models.of(name).asking === 0 || state.watch < life.betterAgainAt) return undefined;
  const answersMs = soonestAnswerMs(state, name, usable);
  return answersMs === undefined ? undefined : { mayEvict: false, withinMs: answersMs * soonerShare };
}

/** Then what waits waits for something else than a slot, such as its principal's quota. */
function hasFree(state: BrokerState, name: string, instances: readonly Task[]): boolean {
  const on = new Map<WorkerId, number>();
  for (const task of instances)
    if (task.lease !== null)
      on.set(task.lease.worker, (on.get(task.lease.worker) ?? 0) + slotsOf(state, task));
  return [...on].some(([id, all]) => {
    const view = state.workers.get(id)?.view;
    return view?.connected === true && (view.ledger.asking.get(name) ?? 0) < all;
  });
}
