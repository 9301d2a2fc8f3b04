/**
 * What placement needs to know of instances: on which workers a model's are, and how many requests the ready ones answer at a
 * time. Kept in the workers' views, so that it raises their versions; held against the tasks by invariants.ts.
 */
import type { TaskId, WorkerId } from '@gryphgen/protocol';
import { changeView, type HostedModel } from '@gryphgen/scheduler';
import { lookAgain } from '../record/apply-workers.ts';
import { type Decision, decided } from '../record/decisions.ts';
import type { BrokerState, Task } from '../state.ts';
import { startAfresh } from './model-life.ts';

/** On instances that have other slots than their model says: what they were tuned to. */
export const slotsLabel = 'slots';

type ModelDecision = Extract<
  Decision,
  readonly [typeof decided.modelSet | typeof decided.modelRemoved, ...unknown[]]
>;

/** A model is known from now on, or served in another way, or removed. */
export function changeModel(state: BrokerState, decision: ModelDecision): void {
  const { models } = state;
  if (decision[0] === decided.modelSet) {
    const [, spec, owner, addedAt, since, tunings = []] = decision;
    const before = models.known.get(spec.name)?.spec.artifact.digest;
    if (before !== undefined && before !== spec.artifact.digest) models.lessons.forget(spec.name);
    models.known.set(spec.name, { spec, owner, addedAt, since: since as TaskId, tunings });
    startAfresh(models.lifeOf(spec.name));
    modelChanged(state, spec.name);
  } else {
    if (models.isTrial(decision[1])) models.lessons.forget(decision[1]);
    models.known.delete(decision[1]);
    modelChanged(state, decision[1]);
  }
}

function modelChanged(state: BrokerState, name: string): void {
  state.models.due.add(name);
  noteInstances(state, name);
  state.wake = true;
}

/** Where an instance's lease, or what is known of it, has changed; of other tasks nothing is to be done. */
export function noteInstance(state: BrokerState, { spec: { envelope } }: Task): void {
  if (envelope.kind === 'instance' && envelope.model !== undefined) noteInstances(state, envelope.model);
}

export function noteInstances(state: BrokerState, name: string): void {
  const hosted = hostsOf(state, name);
  const hosts = state.models.hostsOf(name);
  let hasChanged = false;
  for (const id of new Set([...hosts, ...hosted.keys()])) {
    const view = state.workers.get(id)?.view;
    const now = hosted.get(id);
    const before = view?.models.get(name);
    if (view === undefined || (before?.slots === now?.slots && before?.isComing === now?.isComing)) continue;
    const models = new Map(view.models);
    if (now === undefined) models.delete(name);
    else models.set(name, now);
    changeView(view, { models });
    hasChanged = true;
  }
  state.models.setHosts(name, [...hosted.keys()]);
  if (!hasChanged) return;
  state.models.due.add(name);
  lookAgain(state);
}

/** As the tasks have it. */
export function hostsOf(state: BrokerState, name: string): ReadonlyMap<WorkerId, HostedModel> {
  const hosted = new Map<WorkerId, HostedModel>();
  for (const id of state.models.of(name).instances) {
    const task = state.tasks.get(id);
    if (!task?.lease) continue;
    const { worker } = task.lease;
    const { slots, isComing } = hosted.get(worker) ?? { slots: 0, isComing: false };
    const serves = isReady(task) && takesRequests(state, name, id);
    hosted.set(worker, {
      slots: slots + (serves ? slotsOf(state, task) : 0),
      isComing: isComing || (!serves && takesRequests(state, name, id) && !isEnding(task)),
    });
  }
  return hosted;
}

/** How many requests it answers at a time. */
export function slotsOf({ models }: BrokerState, { spec: { envelope } }: Task): number {
  const { labels, model = '' } = envelope;
  const own = Number(labels[slotsLabel] ?? 0);
  return own > 0 ? own : (models.known.get(model)?.spec.serving.slots ?? 0);
}

/** By its worker's word. */
export function isReady(task: Task): boolean {
  const { lease, phase } = task;
  return phase === 'running' && !isEnding(task) && lease?.served?.health?.state === 'healthy';
}

/** It was told to end, or has. */
export function isEnding({ lease, cancelRequested }: Task): boolean {
  return cancelRequested || lease?.idle === true || lease?.drained === true || lease?.preempted != null;
}

/** Not of a former specification, nor to be unloaded. */
export function takesRequests({ models }: BrokerState, name: string, instance: TaskId): boolean {
  return models.isCurrent(name, instance) && !models.lifeOf(name).leaving.has(instance);
}

/** Those that take requests, or will; not on a machine that is to be empty. */
export function usableOf(state: BrokerState, name: string): readonly Task[] {
  return state.models
    .instancesOf(name)
    .map((id) => state.tasks.get(id) as Task)
    .filter((task) => takesRequests(state, name, task.id) && !isEnding(task) && !isDraining(state, task));
}

function isDraining({ workers }: BrokerState, { lease }: Task): boolean {
  return lease !== null && workers.get(lease.worker)?.view.draining === true;
}
