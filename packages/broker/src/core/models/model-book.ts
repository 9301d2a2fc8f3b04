/**
 * The models that the grid knows, and which live tasks have to do with each.
 *
 * 1. Models are decisions. Which tasks are a model's instances, and which ask it, is derived from decisions where tasks
 *    change (`apply`): a replay finds the same.
 * 2. An instance is of the model's present specification when its number is not below `since`: those of a former one take
 *    no more requests, and end when they are idle.
 */
import {
  asksModel,
  type ModelSpec,
  type PrincipalId,
  type TaskId,
  type Tuning,
  type WorkerId,
} from '@gryphgen/protocol';
import { ModelLessons, PromptPrefixes } from '@gryphgen/scheduler';
import { type Decision, decided } from '../record/decisions.ts';
import type { Task } from '../state.ts';
import { AttendedTasks } from './attended-tasks.ts';
import { Loans } from './loans.ts';
import { type ModelLife, newLife } from './model-life.ts';
import { UntoldLessons } from './untold-lessons.ts';

export interface Model {
  readonly spec: ModelSpec;
  /** Whose its instances are. */
  readonly owner: PrincipalId;
  /** Wall ms. */
  readonly addedAt: number;
  readonly since: TaskId;
  /** Settings that are kept for it, at most one of a seat. */
  readonly tunings: readonly Tuning[];
}

/** The decision that makes it known as it is. */
export function modelSet({ spec, owner, addedAt, since, tunings }: Model): Decision {
  const known = [decided.modelSet, spec, owner, addedAt, since] as const;
  return tunings.length === 0 ? known : [...known, tunings];
}

/** Of one model, live ones. */
export interface ModelTasks {
  readonly instances: Set<TaskId>;
  /** Workers in whose views they are noted. */
  hosts: readonly WorkerId[];
  /** Those that ask it: all, and of them those that have a lease. */
  asking: number;
  placed: number;
}

/** Room that is made for a task that waits, and when that is looked at. */
interface RoomForTasks {
  /** Instances that end for it. */
  ended: readonly TaskId[];
  task: TaskId | null;
  /** Watch time: tasks are looked at again. */
  dueAt: number;
}

const none: Readonly<ModelTasks> = { instances: new Set(), hosts: [], asking: 0, placed: 0 };

export class ModelBook {
  readonly known = new Map<string, Model>();
  /** Of which something has changed that the broker is to look at. */
  readonly due = new Set<string>();
  readonly room: RoomForTasks = { ended: [], task: null, dueAt: 0 };
  readonly attended = new AttendedTasks();
  readonly loans = new Loans();
  /** An observation: what is asked in an epoch begins it. */
  readonly prefixes = new PromptPrefixes();
  /** What their instances and answers have taught; of it, what ephemeral tasks did is journaled now and then. */
  readonly lessons = new ModelLessons();
  readonly untold = new UntoldLessons();
  private readonly tasks = new Map<string, ModelTasks>();
  private readonly lives = new Map<string, ModelLife>();

  /** All that are known, and those of which only tasks are left. */
  names(): readonly string[] {
    return [...new Set([...this.known.keys(), ...this.tasks.keys()])];
  }

  of(name: string): Readonly<ModelTasks> {
    return this.tasks.get(name) ?? none;
  }

  hostsOf(name: string): readonly WorkerId[] {
    return this.of(name).hosts;
  }

  setHosts(name: string, hosts: readonly WorkerId[]): void {
    const of = this.tasks.get(name);
    if (of !== undefined) of.hosts = hosts;
  }

  instancesOf(name: string): readonly TaskId[] {
    return [...this.of(name).instances];
  }

  lifeOf(name: string): ModelLife {
    const life = this.lives.get(name) ?? newLife();
    this.lives.set(name, life);
    return life;
  }

  /** Of one that was removed, and has no instances any more. */
  forget(name: string): void {
    this.lives.delete(name);
  }

  /** Whether its specification is the one that is in force. */
  isCurrent(name: string, instance: TaskId): boolean {
    const model = this.known.get(name);
    return model !== undefined && instance >= model.since;
  }

  /** It is there for one measure: what it teaches is of use to no other. */
  isTrial(name: string): boolean {
    return this.known.get(name)?.spec.trial !== undefined;
  }

  /** Whether it is given to an instance to come. */
  needs(artifact: string): boolean {
    for (const { spec } of this.known.values()) if (spec.artifact.digest === artifact) return true;
    return false;
  }

  begun(task: Task): void {
    this.count(task, 1, 0);
    this.attended.begun(task);
  }

  /** `watch`: the time, by the watch clock. */
  placed(task: Task, worker: WorkerId, watch: number): void {
    this.count(task, 0, 1);
    this.loans.placed(task);
    this.used(task, worker, watch);
  }

  unplaced(task: Task, worker: WorkerId, watch: number): void {
    this.count(task, 0, -1);
    this.loans.unplaced(task);
    this.used(task, worker, watch);
  }

  ended(task: Task): void {
    this.count(task, -1, 0);
    this.attended.ended(task);
    const name = modelOf(task);
    const life = name === undefined ? undefined : this.lives.get(name);
    life?.leaving.delete(task.id);
    life?.endings.delete(task.id);
    life?.instances.delete(task.id);
    if (task.spec.envelope.kind !== 'instance') return;
    for (const [other, { makesRoom }] of this.lives) if (makesRoom.includes(task.id)) this.due.add(other);
  }

  private used(task: Task, worker: WorkerId, watch: number): void {
    const { kind, model } = task.spec.envelope;
    if (model !== undefined && asksModel(kind)) this.lifeOf(model).usedOn.set(worker, watch);
  }

  private count(task: Task, live: number, placed: number): void {
    const name = modelOf(task);
    if (name === undefined) return;
    if (live !== 0) this.due.add(name);
    const of = this.tasks.get(name) ?? { instances: new Set(), hosts: [], asking: 0, placed: 0 };
    this.tasks.set(name, of);
    if (asksModel(task.spec.envelope.kind)) {
      of.asking += live;
      of.placed += placed;
    } else if (live > 0) of.instances.add(task.id);
    else if (live < 0) of.instances.delete(task.id);
    if (of.instances.size === 0 && of.asking === 0) this.tasks.delete(name);
  }
}

/** The model that it is an instance of, or that it asks. */
function modelOf({ spec: { envelope } }: Pick<Task, 'spec'>): string | undefined {
  return envelope.kind === 'instance' || asksModel(envelope.kind) ? envelope.model : undefined;
}
