/**
 * The models that the grid knows, and which live tasks have to do with each.
 *
 * 1. Models are decisions. Which tasks are a model's instances, and which ask it, is derived from decisions where tasks
 *    change (`apply`): a replay finds the same.
 * 2. An instance is of the model's present specification when its number is not below `since`: those of a former one take
 *    no more requests, and end when they are idle.
 */
import { type ModelSpec, type ModelUse, modelUses, type PrincipalId, type TaskId } from '@gryphgen/protocol';
import type { Task } from './state.ts';

export interface Model {
  readonly spec: ModelSpec;
  /** Whose its instances are. */
  readonly owner: PrincipalId;
  /** Wall ms. */
  readonly addedAt: number;
  readonly since: TaskId;
}

/** Of one model, live ones. */
export interface ModelTasks {
  readonly instances: Set<TaskId>;
  /** Those that ask it: all, and of them those that have a lease. */
  asking: number;
  placed: number;
}

/** What is known of a model in this epoch. */
export interface ModelLife {
  /** Somebody asked for an instance, and none was begun for it yet. */
  isWanted: boolean;
  /** Instances that take no more requests, and end when they are idle, since somebody asked for that. */
  readonly leaving: Set<TaskId>;
}

const none: Readonly<ModelTasks> = { instances: new Set(), asking: 0, placed: 0 };

export class ModelBook {
  readonly known = new Map<string, Model>();
  private readonly tasks = new Map<string, ModelTasks>();
  private readonly lives = new Map<string, ModelLife>();

  /** All that are known, and those of which only tasks are left. */
  names(): readonly string[] {
    return [...new Set([...this.known.keys(), ...this.tasks.keys()])];
  }

  of(name: string): Readonly<ModelTasks> {
    return this.tasks.get(name) ?? none;
  }

  lifeOf(name: string): ModelLife {
    const life = this.lives.get(name) ?? { isWanted: false, leaving: new Set() };
    this.lives.set(name, life);
    return life;
  }

  /** Whether its specification is the one that is in force. */
  isCurrent(name: string, instance: TaskId): boolean {
    const model = this.known.get(name);
    return model !== undefined && instance >= model.since;
  }

  /** Whether it is given to an instance to come. */
  needs(artifact: string): boolean {
    for (const { spec } of this.known.values()) if (spec.artifact.digest === artifact) return true;
    return false;
  }

  begun(task: Task): void {
    this.count(task, 1, 0);
  }

  placed(task: Task): void {
    this.count(task, 0, 1);
  }

  unplaced(task: Task): void {
    this.count(task, 0, -1);
  }

  ended(task: Task): void {
    this.count(task, -1, 0);
  }

  private count(task: Task, live: number, placed: number): void {
    const name = modelOf(task);
    if (name === undefined) return;
    const of = this.tasks.get(name) ?? { instances: new Set(), asking: 0, placed: 0 };
    this.tasks.set(name, of);
    if (asksModel(task)) {
      of.asking += live;
      of.placed += placed;
    } else if (live > 0) of.instances.add(task.id);
    else if (live < 0) of.instances.delete(task.id);
    if (of.instances.size === 0 && of.asking === 0) this.tasks.delete(name);
  }
}

/** The model that it is an instance of, or that it asks. */
function modelOf({ spec: { envelope } }: Pick<Task, 'spec'>): string | undefined {
  return envelope.kind === 'instance' || isUse(envelope.kind) ? envelope.model : undefined;
}

export function asksModel({ spec: { envelope } }: Pick<Task, 'spec'>): boolean {
  return isUse(envelope.kind);
}

export function isUse(kind: string): kind is ModelUse {
  return (modelUses as readonly string[]).includes(kind);
}
